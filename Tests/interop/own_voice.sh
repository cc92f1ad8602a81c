#!/usr/bin/env bash
# A machine that says its own wake words: with the loudspeaker's signal as a reference attnd isn't woken by
# them, and still hears what somebody else says, also while the machine speaks.
#
#     Tests/interop/own_voice.sh ATTND
. "$(dirname "$0")/daemon.bash"
for program in pulseaudio pactl paplay "$python"; do
  command -v "$program" > /dev/null || skip "no $program"
done
# shellcheck source=Tests/interop/pulse.bash
. "$here/pulse.bash"
start_pulse
children+=("$pulse")
disown
pactl load-module module-null-sink sink_name=speaker rate=16000 channels=1 format=s16le norewinds=1 > /dev/null
cat >> "$room/asound.conf" << END
pcm.monitor {
  type pulse
  server "unix:$room/native"
  device "speaker.monitor"
}
END
"$python" "$here/own_voice.py" "$attnd" "$room" "$fixtures"
