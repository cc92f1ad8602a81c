#!/usr/bin/env bash
# The protocol's own conformance checks against a live daemon, where they are to be had: ATTND_PROTOCOL
# names the folder with conformance.py.
#
#     ATTND_PROTOCOL=DIR PYTHON=python3 Tests/interop/conformance.sh ATTND
. "$(dirname "$0")/daemon.bash"
[ -n "${ATTND_PROTOCOL:-}" ] || skip "no ATTND_PROTOCOL"
need_packages wyoming soundfile
make_wav keywords.flac "$room/clip.wav"
port=$(free_ports 1)
serve "$port" attnd

check() { # uri, part, options...
  "$python" "$ATTND_PROTOCOL/conformance.py" --uri "$1" --part "${@:2}" > "$room/log" 2>&1 ||
    { grep -v '^ok' "$room/log" >&2; exit 1; }
  echo "conformance.sh: ${1%%:*}, part $2: $(tail -1 "$room/log")"
}
for uri in "unix://$room/attnd.sock" "tcp://127.0.0.1:$port"; do
  check "$uri" A --wav "$room/clip.wav" --expect computer
  check "$uri" B
done
