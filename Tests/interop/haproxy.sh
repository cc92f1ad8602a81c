#!/usr/bin/env bash
# Two daemons behind a real HAProxy with Config/haproxy.cfg: one is drained, the other killed, under a
# load of short sessions.
#
#     PYTHON=python3 Tests/interop/haproxy.sh ATTND
. "$(dirname "$0")/daemon.bash"
command -v haproxy > /dev/null || skip "no haproxy"
need_packages soundfile
make_wav keywords.flac "$room/clip.wav"
read -r front first second < <(free_ports 3)
serve "$first" a
serve "$second" b

# The shipped file, with the addresses of this test.
sed -e "s|bind :10400|bind 127.0.0.1:$front|" -e "s|/run/haproxy-attnd.sock|$room/admin|" \
  -e "s|192.0.2.11:10400|127.0.0.1:$first|" -e "s|192.0.2.12:10400|127.0.0.1:$second|" \
  "$here/../../Config/haproxy.cfg" > "$room/haproxy.cfg"
haproxy -q -c -f "$room/haproxy.cfg"
haproxy -db -f "$room/haproxy.cfg" > "$room/haproxy.log" 2>&1 &
children+=($!)
wait_for_socket "$room/admin"
"$python" "$here/haproxy.py" "$front" "$room/admin" "${children[0]}" "$room/a.sock" \
  "${children[1]}" "$room/b.sock" "$room/clip.wav" || { cat "$room/haproxy.log" >&2; exit 1; }
