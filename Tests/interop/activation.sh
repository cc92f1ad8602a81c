#!/usr/bin/env bash
# Sockets that a service manager made: attnd serves them and leaves them as they are.
#
#     PYTHON=python3 Tests/interop/activation.sh ATTND
#
# The service manager is a program of ours, and systemd's own systemd-socket-activate where it is.
. "$(dirname "$0")/daemon.bash"

"$python" "$here/activation.py" "$attnd" "$room"

command -v systemd-socket-activate > /dev/null || skip "no systemd-socket-activate"
port=$(free_ports 1)
SYSTEMD_LOG_LEVEL=err systemd-socket-activate --listen "$room/activated.sock" \
  --listen "127.0.0.1:$port" "$attnd" run --device none --log-level error 2> "$room/activate.err" &
children+=($!)
disown
wait_for_socket "$room/activated.sock"
# The first connection starts the daemon, and is the first that it serves.
timeout 60 "$python" "$here/activation.py" hello "$room/activated.sock" ||
  { cat "$room/activate.err"; exit 1; }
timeout 60 "$python" "$here/activation.py" describe "$port" || { cat "$room/activate.err"; exit 1; }
echo "activation.sh: systemd-socket-activate's sockets, Unix and TCP, are served"
