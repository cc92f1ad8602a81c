#!/usr/bin/env bash
# Real recordings through the wake-word service on standard streams, by the PyPI package wyoming: each gives
# what `attnd batch` finds in it.
#
#     ATTND_DATA=FOLDER PYTHON=python3 Tests/interop/recordings.sh ATTND
. "$(dirname "$0")/daemon.bash"
[ -n "${ATTND_DATA:-}" ] || skip "no ATTND_DATA"
need_packages wyoming soundfile
"$python" "$here/recordings.py" "$attnd" "$ATTND_DATA" "$room"
