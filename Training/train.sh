#!/bin/sh
# Recordings to model: Training/train.sh [RECIPE]. See README.md beside this file.
#
#   ATTND_DATA              folder with manifest.tsv (needed)
#   ATTND                   the attnd that computes the features (.build/release/attnd)
#   PYTHON                  the Python 3.11 or newer that makes the environment (python3)
#   ATTND_TRAINING_THREADS  threads of PyTorch (1)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
recipe=${1:-$here/six-words.toml}
: "${ATTND_DATA:?is the folder with manifest.tsv}"
export ATTND_DATA ATTND="${ATTND:-$here/../.build/release/attnd}"
export OMP_NUM_THREADS="${ATTND_TRAINING_THREADS:-1}"

if [ ! -x "$here/.venv/bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$here/.venv"
fi
if [ ! -e "$here/.venv/complete" ]; then
  "$here/.venv/bin/pip" install --quiet --editable "$here[teacher,test]"
  touch "$here/.venv/complete"
fi

for step in features train export; do
  "$here/.venv/bin/python" -m attnd_training "$step" "$recipe"
done
