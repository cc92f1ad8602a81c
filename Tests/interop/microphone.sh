#!/usr/bin/env bash
# A live microphone without hardware: plays a clip into a null sink of a PulseAudio server of its
# own, and lets attnd listen to that sink's monitor through ALSA.
#
#     Tests/interop/microphone.sh ATTND [CLIP]    attnd listens; prints what was heard
#     Tests/interop/microphone.sh --check [CLIP]  arecord listens; proves the microphone itself
#
# Ends with 0 when the words of the clip were heard. Everything it starts and writes is gone when it
# ends; it touches no other sound server and no configuration of the user's. pulse.bash says what it
# needs.
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
if [ "$listener" != --check ] && ! "$python" -c 'import wyoming' 2> /dev/null; then
  echo "skipped: no Python package wyoming (microphone.sh)"
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

"$listener" run --device livemic --socket "$room/attnd.sock" --log-level error &
attnd=$!
started+=("$attnd")
for _ in $(seq 100); do
  [ -S "$room/attnd.sock" ] && break
  kill -0 "$attnd" 2> /dev/null || { echo "microphone.sh: attnd ended before it listened" >&2; exit 1; }
  sleep 0.1
done
# The clips take up to 15 s; the rest is for the last detection.
"$python" "$here/subscribe.py" "$room/attnd.sock" --seconds 18 > "$room/detections.jsonl" &
subscriber=$!
started+=("$subscriber")
paplay -d mic "$clip"
wait "$subscriber"
# The words are those of the file. Some may be lost: after a sound server the frames lie elsewhere, and
# what stands at its threshold can fall on the other side. This is about the microphone, not the model.
"$listener" batch "$clip" > "$room/batch.jsonl"
"$python" - "$room/detections.jsonl" "$room/batch.jsonl" << 'END'
import json, sys
heard, filed = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
heard = [event["name"] for event in heard]
filed = [event["keyword"] for event in filed]
strange = [name for name in heard if name not in filed]
if strange or not heard or 2 * len(heard) < len(filed):
    sys.exit(f"microphone.sh: the microphone heard {heard}, the file holds {filed}")
print(f"microphone.sh: {', '.join(heard)} through a live microphone")
END
