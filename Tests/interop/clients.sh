#!/usr/bin/env bash
# The clients of Docs/examples/clients and `attnd listen`, all at once, beside a daemon that plays a
# clip: each must tell of the keywords that `attnd batch` finds in it.
#
#     PYTHON=python3 Tests/interop/clients.sh ATTND [CLIP]
#
# The Swift example is built with ATTND_TEST_EXAMPLES set: that takes minutes the first time.
. "$(dirname "$0")/daemon.bash"
clip=$(realpath "${2:-$fixtures/keywords.flac}")
examples=$here/../../Docs/examples/clients
builds_swift=${ATTND_TEST_EXAMPLES:-}
unset ATTND_TEST_EXAMPLES

fail() {
  echo "clients.sh: $*" >&2
  exit 1
}
names=()
start() { # name, command...: what it prints goes to a file of that name
  names+=("$1")
  "${@:2}" > "$room/$1.txt" 2> "$room/$1.err" &
  children+=($!)
}

listen_swift=
if [ -n "$builds_swift" ]; then
  scratch=$here/../../.build/examples
  swift build -c release --package-path "$examples/swift" --scratch-path "$scratch" > "$room/build" 2>&1 ||
    { cat "$room/build"; fail "the Swift example can't be built"; }
  listen_swift=$scratch/release/Listen
else
  echo "skipped: the Swift example (clients.sh; ATTND_TEST_EXAMPLES isn't set)"
fi

"$attnd" batch "$clip" | sed 's/.*"keyword":"\([^"]*\)".*/\1/' > "$room/expected"
[ -s "$room/expected" ] || fail "batch finds nothing in $clip"

"$attnd" run --file "$clip" --socket "$room/attnd.sock" --log-level error &
children+=($!)
wait_for_socket "$room/attnd.sock"

start listen "$attnd" listen --socket "$room/attnd.sock" --no-reconnect --events detection
start exec "$attnd" listen --socket "$room/attnd.sock" --no-reconnect --exec 'echo "$ATTND_TIME s  $ATTND_KEYWORD"'
start subscribe.py "$python" "$examples/subscribe.py" "$room/attnd.sock"
if command -v socat > /dev/null && command -v jq > /dev/null; then
  start subscribe.sh sh "$examples/subscribe.sh" "$room/attnd.sock"
else
  echo "skipped: no socat or no jq (clients.sh, subscribe.sh)"
fi
[ -z "$listen_swift" ] || start Listen "$listen_swift" "$room/attnd.sock"

# The one that sends: all of the clip, as fast as it is heard, beside the others.
if ! "$python" -c 'import wyoming' 2> /dev/null; then
  echo "skipped: no Python package wyoming (clients.sh, hear.py)"
elif "$python" -c 'import soundfile, sys
soundfile.write(sys.argv[2], *soundfile.read(sys.argv[1], dtype="int16"))' "$clip" "$room/clip.wav" 2> /dev/null ||
  sox "$clip" -b 16 "$room/clip.wav" 2> /dev/null; then
  timeout 60 "$python" "$examples/hear.py" "unix://$room/attnd.sock" "$room/clip.wav" > "$room/hear" ||
    fail "hear.py ended with status $?"
  awk '{ print $3 }' "$room/hear" | cmp - "$room/expected" || fail "hear.py: $(cat "$room/hear")"
  last=$(tail -n 1 "$room/expected")
  timeout 60 "$python" "$examples/hear.py" "unix://$room/attnd.sock" "$room/clip.wav" "$last" > "$room/hear" ||
    fail "hear.py with a keyword ended with status $?"
  [ "$(awk '{ print $3 }' "$room/hear")" = "$last" ] || fail "hear.py $last: $(cat "$room/hear")"
  if timeout 60 "$python" "$examples/hear.py" "unix://$room/attnd.sock" "$room/clip.wav" nobody 2> "$room/hear"; then
    fail "hear.py: an unknown keyword is an error"
  fi
  grep -q "$last" "$room/hear" || fail "hear.py: the error names no keyword: $(cat "$room/hear")"
  echo "clients.sh: hear.py tells of $(wc -l < "$room/expected") keywords in what it sends"
else
  echo "skipped: neither soundfile nor sox (clients.sh, hear.py)"
fi

# They end with the daemon, which ends with the clip.
for child in "${children[@]}"; do
  status=0
  wait "$child" || status=$?
  [ "$status" = 0 ] || { cat "$room"/*.err; fail "a client or the daemon ended with status $status"; }
done
children=()

sed -i 's/.*"time":\([0-9.]*\).*/& \1/; s/.*"name":"\([^"]*\)".* \([0-9.]*\)$/\2 s  \1/' "$room/listen.txt"
for name in "${names[@]}"; do
  # Commands of --exec run side by side; their lines may change places.
  [ "$name" != exec ] || sort -n -o "$room/exec.txt" "$room/exec.txt"
  awk '{ print $3 }' "$room/$name.txt" > "$room/found"
  # On a busy machine a client may come when the clip has begun.
  count=$(wc -l < "$room/found")
  [ "$count" -ge 3 ] && tail -n "$count" "$room/expected" | cmp -s - "$room/found" ||
    { cat "$room/$name.err"; fail "$name told of: $(tr '\n' ' ' < "$room/$name.txt")"; }
  echo "clients.sh: $name tells of $count keywords, the same as batch"
done
