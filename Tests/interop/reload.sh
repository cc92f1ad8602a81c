#!/usr/bin/env bash
# New models and settings for a daemon that runs, by SIGHUP and by a client; bad ones change nothing.
#
#     Tests/interop/reload.sh ATTND
. "$(dirname "$0")/daemon.bash"
command -v "$python" > /dev/null || skip "no Python"
"$python" "$here/reload.py" "$attnd" "$room" "$here/../../Models/default.safetensors" "$fixtures/keywords.flac"
