#!/usr/bin/env bash
# A live microphone that goes and comes back: the sound server is killed, the device vanishes, the daemon
# itself is stopped for a while. After each, stream time keeps step with the clock, what is missing was
# said, and keywords are heard.
#
#     Tests/interop/device.sh ATTND
. "$(dirname "$0")/daemon.bash"
for program in pulseaudio pactl paplay "$python"; do
  command -v "$program" > /dev/null || skip "no $program"
done
# shellcheck source=Tests/interop/pulse.bash
. "$here/pulse.bash"
"$python" "$here/device.py" "$attnd" "$room" "$fixtures/keywords.flac" "$sink"
