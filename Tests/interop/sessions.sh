#!/usr/bin/env bash
# Home Assistant's sessions, many in a row, and what they leave behind: nothing.
#
#     PYTHON=python3 Tests/interop/sessions.sh ATTND       200 sessions; 10,000 with ATTND_TEST_LONG=1
. "$(dirname "$0")/daemon.bash"
sessions=$([ -n "${ATTND_TEST_LONG:-}" ] && echo 10000 || echo 200)
unset ATTND_TEST_LONG
need_packages soundfile
make_wav keywords.flac "$room/clip.wav"
port=$(free_ports 1)
serve "$port" attnd
"$python" "$here/sessions.py" "${children[0]}" 127.0.0.1 "$port" "$room/clip.wav" "$sessions"
