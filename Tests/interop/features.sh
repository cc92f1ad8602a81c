#!/usr/bin/env bash
# Feature rows that somebody else's libraries compute: holds what `attnd features` writes against
# kaldi-native-fbank and librosa, on the bundled clips and, when ATTND_DATA names a folder with
# recordings and their manifest.tsv, on some of those.
#
#     PYTHON=python3 Tests/interop/features.sh ATTND
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
attnd=${1:?usage: $0 ATTND}
python=${PYTHON:-python3}

for package in kaldi_native_fbank librosa; do
  "$python" -c "import $package" 2> /dev/null && continue
  echo "skipped: no Python package $package (features.sh)"
  exit 0
done

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
"$python" "$here/features.py" "$attnd" "$room" "$here"/../Fixtures/*.flac
