#!/usr/bin/env bash
# A live microphone without hardware: plays recordings into a null sink of a PulseAudio server of its
# own, and lets attnd listen to that sink's monitor through ALSA, MINUTES long (2 unless told).
#
#     Tests/interop/microphone.sh ATTND           attnd listens; compared with attnd batch
#     Tests/interop/microphone.sh --check [CLIP]  arecord listens; proves the microphone itself
#
# microphone.py says what is played and compared. Everything it starts and writes is gone when it ends;
# it touches no other sound server and no configuration of the user's. pulse.bash says what it needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
listener=${1:?usage: $0 ATTND|--check [CLIP]}
clip=${2:-$here/../Fixtures/keywords.flac}
python=${PYTHON:-python3}

needed=(pulseaudio pactl paplay)
if [ "$listener" = --check ]; then needed+=(arecord "$python"); else needed+=("$python"); fi
for program in "${needed[@]}"; do
  command -v "$program" > /dev/null && continue
  echo "skipped: no $program (microphone.sh)"
  exit 0
done
if [ "$listener" != --check ] && ! "$python" -c 'import numpy, soundfile' 2> /dev/null; then
  echo "skipped: no Python packages numpy, soundfile (microphone.sh)"
  exit 0
fi

room=$(mktemp -d)
started=()
cleanup() {
  # Last started, first ended: whoever listens goes before the server.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill "${started[i]}" 2> /dev/null || true
    wait "${started[i]}" 2> /dev/null || true
  done
  rm -rf "$room"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# shellcheck source=Tests/interop/pulse.bash
. "$here/pulse.bash"
start_pulse
started+=("$pulse")

if [ "$listener" = --check ]; then
  arecord -q -D livemic -f S16_LE -r 16000 -c 1 -d 4 -t raw "$room/heard.raw" &
  recorder=$!
  paplay -d mic "$clip" &
  started+=($!)
  wait "$recorder"
  "$python" - "$room/heard.raw" << 'END'
import array, math, sys
heard = array.array("h", open(sys.argv[1], "rb").read())
loudest = max(map(abs, heard), default=0)
power = sum(sample * sample for sample in heard) / max(len(heard), 1)
print(f"heard {len(heard) / 16000:.2f} s, peak {20 * math.log10(max(loudest, 1) / 32768):.1f} dBFS, "
      f"level {10 * math.log10(max(power, 1e-9) / 32768**2):.1f} dBFS")
sys.exit(0 if loudest > 3000 else 1)
END
  exit
fi

"$python" "$here/microphone.py" "$(realpath "$listener")" "$room" "$here/../Fixtures" "${MINUTES:-2}"
