# What the scripts of this folder share: sourced with the daemon's path as $1.
#
# Gives $attnd, $python, $fixtures and $room, an empty folder that goes with the script, as do the
# processes in the array `children`.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
script=$(basename "$0")
here=$(cd "$(dirname "$0")" && pwd)
attnd=$(realpath "${1:?usage: $0 ATTND}")
fixtures=$(cd "$here/../Fixtures" && pwd)
python=${PYTHON:-python3}
room=$(mktemp -d)
children=()

cleanup() {
  [ ${#children[@]} = 0 ] || kill "${children[@]}" 2> /dev/null || true
  rm -rf "$room"
}
trap cleanup EXIT

skip() { # reason
  echo "skipped: $1 ($script)"
  exit 0
}

need_packages() { # Python packages...
  "$python" -c "import $(IFS=,; echo "$*")" 2> /dev/null || skip "no Python packages $*"
}

make_wav() { # a fixture and the file to make of it: 16 kHz, 16 bit, mono
  "$python" - "$fixtures/$1" "$2" << 'END'
import sys, soundfile
samples, rate = soundfile.read(sys.argv[1], dtype="int16")
soundfile.write(sys.argv[2], samples, rate, subtype="PCM_16")
END
}

free_ports() { # how many
  "$python" "$here/ports.py" "$1"
}

wait_for_socket() { # path: appears by a rename once it is ready
  for _ in $(seq 200); do
    [ -S "$1" ] && return
    sleep 0.05
  done
  echo "$script: no socket $1" >&2
  exit 1
}

serve() { # port, name...: a daemon that hears clients on that port and at $room/NAME.sock
  "$attnd" run --device none --socket "$room/$2.sock" --socket "tcp://127.0.0.1:$1" \
    --log-level error &
  children+=($!)
  disown  # Who kills it needn't be told by the shell.
  wait_for_socket "$room/$2.sock"
}
