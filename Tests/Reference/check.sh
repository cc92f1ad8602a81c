#!/usr/bin/env bash
# The reference models made anew: the weights must be the stored ones to the bit, the results agree.
#
#     PYTHON=python3 Tests/Reference/check.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

for package in torch safetensors; do
  "$python" -c "import $package" 2> /dev/null && continue
  echo "skipped: no Python package $package (Tests/Reference/check.sh; requirements.txt beside it)"
  exit 0
done
PYTHONDONTWRITEBYTECODE=1 "$python" "$here/generate.py" --check
