#!/usr/bin/env bash
# The units of Config/: systemd understands them, and the system's service is exposed to 1.0 at most
# of the 10 that `systemd-analyze security` counts.
#
#     Tests/interop/units.sh ATTND
. "$(dirname "$0")/daemon.bash"
command -v systemd-analyze > /dev/null || skip "no systemd-analyze"
units=$(cd "$here/../../Config" && pwd)

# As installed, since what isn't there can't be run: a program, and no manual.
mkdir -p "$room/system" "$room/user"
for kind in system user; do
  folder=$units
  [ $kind = system ] || folder=$units/user
  for unit in attnd.service attnd.socket; do
    sed "s|/usr/local/bin/attnd|$attnd|; /^Documentation=/d" "$folder/$unit" > "$room/$kind/$unit"
  done
done
export SYSTEMD_LOG_LEVEL=warning
complaints=$(systemd-analyze verify "$room"/system/* 2>&1 | grep 'attnd\.' || true)
[ -z "$complaints" ] || { echo "units.sh: $complaints" >&2; exit 1; }
# The threshold is in tenths. `--offline` came with systemd 250.
if ! systemd-analyze security --help 2>&1 | grep -q -e --offline; then
  skip "systemd-analyze knows no --offline"
fi
if ! systemd-analyze security --offline=true --threshold=10 --no-pager "$units/attnd.service" \
  > "$room/security" 2>&1; then
  grep -v '^✓' "$room/security" >&2
  exit 1
fi
echo "units.sh: $(sed -n 's/^.*\(exposure level .*[0-9.]\+\) .*/\1/p' "$room/security")"
