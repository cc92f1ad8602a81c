#!/usr/bin/env bash
# Days of stream time, faster than real time, through one daemon: nothing grows, nothing drifts.
#
#     Tests/interop/soak.sh ATTND      two hours of stream time; ATTND_TEST_LONG=1: 24 hours
. "$(dirname "$0")/daemon.bash"
command -v "$python" > /dev/null || skip "no Python"
hours=2
[ -z "${ATTND_TEST_LONG:-}" ] || hours=24
unset ATTND_TEST_LONG
"$attnd" run --file "$fixtures/demo.flac" --loop --pace fastest --socket "$room/attnd.sock" \
  --log-level error &
children+=($!)
daemon=$!
disown
wait_for_socket "$room/attnd.sock"
"$python" "$here/soak.py" "$room/attnd.sock" "$daemon" "$hours"
