# A PulseAudio server of a script's own with a sink that nobody hears, whose monitor is a microphone for
# ALSA: the PCM "livemic". Sourced where $room is an empty folder; touches no other sound server and no
# configuration of the user's.
#
# Needs pulseaudio, pactl and paplay, and ALSA's pulse plugin (Debian: pulseaudio, pulseaudio-utils,
# libasound2-plugins).
# shellcheck shell=bash disable=SC2034,SC2154
export HOME=$room XDG_RUNTIME_DIR=$room PULSE_RUNTIME_PATH=$room/pulse
export PULSE_SERVER=unix:$room/native
unset PULSE_COOKIE PULSE_SINK PULSE_SOURCE

# norewinds=1: without it the monitor is two seconds late.
sink="module-null-sink sink_name=mic rate=16000 channels=1 format=s16le norewinds=1"
cat > "$room/server.pa" << END
load-module module-native-protocol-unix socket=$room/native auth-anonymous=1
load-module $sink
set-default-source mic.monitor
END

# ALSA's own configuration, and one PCM on the monitor.
cat > "$room/asound.conf" << END
</usr/share/alsa/alsa.conf>
pcm.livemic {
  type pulse
  server "unix:$room/native"
  device "mic.monitor"
}
END
export ALSA_CONFIG_PATH=$room/asound.conf

start_pulse() { # sets $pulse to the server's process; fails when it doesn't come up
  pulseaudio -n -F "$room/server.pa" --daemonize=no --exit-idle-time=-1 --use-pid-file=no \
    --log-target=file:"$room/server.log" &
  pulse=$!
  for _ in $(seq 100); do
    pactl info > /dev/null 2>&1 && return
    sleep 0.1
  done
  echo "PulseAudio does not start:" >&2
  cat "$room/server.log" >&2
  return 1
}
