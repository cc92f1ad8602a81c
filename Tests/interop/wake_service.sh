#!/usr/bin/env bash
# The daemon as a wake-word service, used by the PyPI package wyoming, the newest and 1.5: over standard
# streams, a Unix socket and TCP, with what `attnd batch` finds in the clip as the measure.
#
#     PYTHON=python3 Tests/interop/wake_service.sh ATTND
. "$(dirname "$0")/daemon.bash"
need_packages wyoming soundfile
make_wav keywords.flac "$room/clip.wav"
mapfile -t expected < <("$attnd" batch "$fixtures/keywords.flac" |
  "$python" -c 'import json, sys
for line in sys.stdin:
    found = json.loads(line)
    print("{keyword}@{start}-{end}".format(**found))')

# 1.5 beside the newest, in a folder of its own.
old=$here/../../.build/interop-wyoming-1.5
[ -d "$old/wyoming" ] ||
  "$python" -m pip install -q --target "$old" wyoming==1.5.4 > /dev/null 2>&1 || true

port=$(free_ports 1)
serve "$port" attnd
versions=
for path in "" "$old"; do
  if [ -n "$path" ] && [ ! -d "$path/wyoming" ]; then
    echo "skipped: wyoming 1.5 can't be installed (wake_service.sh)"
    continue
  fi
  export PYTHONPATH=$path
  "$python" "$here/wake_service.py" stdio "$attnd" "$room/clip.wav" "${expected[@]}"
  for uri in "unix://$room/attnd.sock" "tcp://127.0.0.1:$port"; do
    "$python" "$here/wake_service.py" "$uri" "$room/clip.wav" "${expected[@]}"
  done
  versions="$versions $("$python" -c 'import importlib.metadata as m; print(m.version("wyoming"))')"
done
echo "wake_service.sh: ${#expected[@]} keywords over stdio, unix and tcp, by wyoming$versions"

# What the announcement for avahi says is what Home Assistant looks for.
"$python" - "$here/../../Config/attnd.avahi.service" << 'END'
import sys
import xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
service = root.find("service")
assert root.tag == "service-group" and root.find("name").get("replace-wildcards") == "yes"
assert (service.find("type").text, service.find("port").text) == ("_wyoming._tcp", "10400")
END
