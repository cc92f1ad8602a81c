#!/bin/sh
# Recordings to model: Training/train.sh [RECIPE]. See README.md beside this file.
# A model for one word of your own: WORD=... POSITIVES=DIR NEGATIVES=DIR Training/train.sh; see
# Docs/custom-word.md.
#
#   ATTND_DATA              folder with manifest.tsv (needed for a recipe)
#   WORD                    what one says
#   POSITIVES, NEGATIVES    folders of recordings with the word and of speech without it
#   NOISE                   folder of noise and music (made, if none is given)
#   OUT                     the model file (Training/work/own/WORD/WORD.safetensors)
#   ATTND                   the attnd that computes the features (.build/release/attnd)
#   PYTHON                  the Python 3.11 or newer that makes the environment (python3)
#   ATTND_TRAINING_THREADS  threads of PyTorch (1)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
recipe=${1:-$here/six-words.toml}
if [ -n "${WORD:-}" ]; then
  : "${POSITIVES:?is the folder of recordings of the word}"
  : "${NEGATIVES:?is the folder of speech without the word}"
else
  : "${ATTND_DATA:?is the folder with manifest.tsv; or give WORD, POSITIVES and NEGATIVES}"
  export ATTND_DATA
fi
export ATTND="${ATTND:-$here/../.build/release/attnd}"
export OMP_NUM_THREADS="${ATTND_TRAINING_THREADS:-1}"

if [ ! -x "$here/.venv/bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$here/.venv"
fi
if [ ! -e "$here/.venv/complete" ]; then
  "$here/.venv/bin/pip" install --quiet --editable "$here[teacher,test]"
  touch "$here/.venv/complete"
fi

if [ -n "${WORD:-}" ]; then
  exec "$here/.venv/bin/python" -m attnd_training.own_word --word "$WORD" \
    --positives "$POSITIVES" --negatives "$NEGATIVES" \
    ${NOISE:+--noise "$NOISE"} ${OUT:+--out "$OUT"}
fi

for step in features train export; do
  "$here/.venv/bin/python" -m attnd_training "$step" "$recipe"
done
