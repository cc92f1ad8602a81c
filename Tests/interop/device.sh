#!/usr/bin/env bash
# A live microphone that goes and comes back: the sound server is killed, the device vanishes, the daemon
# itself is stopped for a while; 200 subscribers are killed, the disk for clips is full, somebody sets the
# clock, a new model is broken. After each, stream time keeps step with the clock, what is missing was said, keywords are heard,
# and nothing has leaked.
#
#     Tests/interop/device.sh ATTND
. "$(dirname "$0")/daemon.bash"
for program in pulseaudio pactl paplay "$python"; do
  command -v "$program" > /dev/null || skip "no $program"
done
# shellcheck source=Tests/interop/pulse.bash
. "$here/pulse.bash"
clock=$room/clockstep.so
cc -shared -fPIC -O2 -o "$clock" "$here/clockstep.c" -ldl 2> /dev/null || clock=
"$python" "$here/device.py" "$attnd" "$room" "$fixtures/keywords.flac" "$here/../../Models/default.safetensors" "$sink" ${clock:+"$clock"}
