#!/usr/bin/env bash
# A subscriber that somebody else's client library makes: plays a clip to a daemon and holds what
# the PyPI package wyoming reads from its socket against what `attnd batch` finds in the clip.
#
#     PYTHON=python3 Tests/interop/subscriber.sh ATTND [CLIP]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
attnd=${1:?usage: $0 ATTND [CLIP]}
clip=${2:-$here/../Fixtures/keywords.flac}
python=${PYTHON:-python3}

if ! "$python" -c 'import wyoming' 2> /dev/null; then
  echo "skipped: no Python package wyoming (subscriber.sh)"
  exit 0
fi

room=$(mktemp -d)
daemon=
cleanup() {
  [ -z "$daemon" ] || kill "$daemon" 2> /dev/null || true
  rm -rf "$room"
}
trap cleanup EXIT

"$attnd" run --file "$clip" --socket "$room/attnd.sock" --log-level error &
daemon=$!
for _ in $(seq 200); do
  [ -S "$room/attnd.sock" ] && break
  sleep 0.05
done
"$python" "$here/subscribe.py" "$room/attnd.sock" --seconds 120 > "$room/heard.jsonl"
wait "$daemon"
daemon=

"$attnd" batch "$clip" > "$room/batch.jsonl"
"$python" - "$room/heard.jsonl" "$room/batch.jsonl" << 'END'
import json, sys
heard, batch = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
live = [(e["name"], e["start"], e["end"], e["time"]) for e in heard]
filed = [(e["keyword"], e["start"], e["end"], e["time"]) for e in batch]
if live != filed or not filed:
    sys.exit(f"subscriber.sh: the socket said {live}, batch found {filed}")
print(f"subscriber.sh: {len(live)} detections over the socket, the same as batch finds")
END
