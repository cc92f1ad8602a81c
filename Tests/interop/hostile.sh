#!/usr/bin/env bash
# Bad clients over real sockets, and a good one beside them.
#
#     PYTHON=python3 Tests/interop/hostile.sh ATTND       with ATTND_TEST_LONG=1 also those that take their time
. "$(dirname "$0")/daemon.bash"
long=${ATTND_TEST_LONG:+--long}
unset ATTND_TEST_LONG
command -v "$python" > /dev/null || skip "no Python"
"$python" - "$room/noise.wav" << 'END'
import random, sys, wave
with wave.open(sys.argv[1], "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes(random.Random(1).randbytes(2 * 16000 * 120))
END
"$attnd" run --file "$room/noise.wav" --socket "$room/attnd.sock" --log-level error &
children+=($!)
disown
wait_for_socket "$room/attnd.sock"
"$python" "$here/hostile.py" "$room/attnd.sock" $long
