#!/bin/sh
# Streams, engines, scores, a page: Evaluation/evaluate.sh [OPTIONS]; --help names them.
#
#   ATTND_DATA  folder with manifest.tsv (needed)
#   ATTND       the attnd that is judged (.build/release/attnd)
#   PYTHON      the Python 3.11 or newer that makes the environment (python3)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export ATTND="${ATTND:-$here/../.build/release/attnd}"
if [ ! -x "$here/.venv/bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$here/.venv"
fi
if [ ! -e "$here/.venv/complete" ]; then
  "$here/.venv/bin/pip" install --quiet --editable "$here[peers,test]"
  touch "$here/.venv/complete"
fi
exec "$here/.venv/bin/python" -m attnd_evaluation "$@"
