#!/usr/bin/env bash
# A real broker: holds what mosquitto_sub reads from mosquitto against what `attnd batch` finds, and
# does to daemon and broker what happens to them in a house.
#
#     PYTHON=python3 Tests/interop/mqtt.sh ATTND [CLIP]
#
# Brokers are started here, on free ports of the loopback interface. Needs mosquitto and its clients
# (Debian: mosquitto, mosquitto-clients), and for TLS openssl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
attnd=${1:?usage: $0 ATTND [CLIP]}
clip=${2:-$here/../Fixtures/keywords.flac}

PATH=$PATH:/usr/sbin
for program in mosquitto mosquitto_sub mosquitto_pub mosquitto_passwd; do
  command -v "$program" > /dev/null && continue
  echo "skipped: no $program (mqtt.sh)"
  exit 0
done
exec "${PYTHON:-python3}" "$here/mqtt.py" "$attnd" "$clip"
