#!/usr/bin/env bash
# What `make install` lays out and `make uninstall` takes away, in a folder that stands for /.
#
#     Tests/interop/install.sh ATTND
. "$(dirname "$0")/daemon.bash"
scripts=$here/../../Scripts
export DESTDIR=$room/root PREFIX=/opt/listener

fail() {
  echo "install.sh: $*" >&2
  exit 1
}
"$scripts/install.sh" install "$attnd"
place=$DESTDIR$PREFIX

commands=$("$attnd" --help | awk '/^SUBCOMMANDS:/ { on = 1; next } /^  See/ { on = 0 }
  on && /^  [a-z]/ { print $1 }')
[ "$(wc -w <<< "$commands")" -ge 10 ] || fail "found no commands in the help: $commands"
{
  echo bin/attnd
  for unit in attnd.service attnd.socket; do
    echo "lib/systemd/system/$unit"
    echo "lib/systemd/user/$unit"
  done
  echo share/bash-completion/completions/attnd
  echo share/doc/attnd/LICENSE
  echo share/doc/attnd/NOTICE
  for example in attnd.avahi.service attnd.yaml haproxy.cfg mqtt.conf; do
    echo "share/doc/attnd/examples/$example"
  done
  echo share/fish/vendor_completions.d/attnd.fish
  echo share/man/man1/attnd.1
  for command in $commands; do echo "share/man/man1/attnd-$command.1"; done
  echo share/man/man5/attnd.yaml.5
  echo share/zsh/site-functions/_attnd
} | sort > "$room/expected"
(cd "$place" && find . -type f | sed 's|^\./||' | sort) > "$room/found"
diff "$room/expected" "$room/found" >&2 || fail "other files than expected"
[ "$(find "$DESTDIR" -type f | wc -l)" = "$(wc -l < "$room/found")" ] || fail "files outside of PREFIX"
[ -z "$(find "$DESTDIR" -type f -size 0)" ] || fail "an empty file"
[ -z "$(find "$place" -type f ! -path '*/bin/*' ! -perm 644)" ] || fail "a file of another mode"

# The program, as it lies there.
"$place/bin/attnd" batch "$fixtures/keywords.flac" | cmp - <("$attnd" batch "$fixtures/keywords.flac") ||
  fail "the installed program hears something else"
# Units with the program's place in them.
for unit in system user; do
  grep -qx "ExecStart=$PREFIX/bin/attnd run" "$place/lib/systemd/$unit/attnd.service" ||
    fail "the $unit unit runs another program"
done
! grep -r /usr/local "$place/lib" || fail "a unit with another prefix"
# The example is a configuration that can be read.
"$place/bin/attnd" batch --config "$place/share/doc/attnd/examples/attnd.yaml" \
  "$fixtures/keywords.flac" > /dev/null || fail "the example can't be read"
# Completions in their own languages, where the shells are.
bash -n "$place/share/bash-completion/completions/attnd" || fail "bash's completions"
completed=$(bash -c "
  . '$place/share/bash-completion/completions/attnd'
  COMP_WORDS=(attnd lis) COMP_CWORD=1 COMP_LINE='attnd lis' COMP_POINT=9
  \$(complete -p attnd | sed 's/.*-F \\([^ ]*\\).*/\\1/') attnd lis attnd
  echo \"\${COMPREPLY[*]}\"" 2> /dev/null || true)
[ "$completed" = listen ] || fail "bash completes 'attnd lis' to '$completed'"
! command -v zsh > /dev/null || zsh -n "$place/share/zsh/site-functions/_attnd" || fail "zsh's completions"
! command -v fish > /dev/null || fish -n "$place/share/fish/vendor_completions.d/attnd.fish" ||
  fail "fish's completions"
# The manual: no warning from groff, each option of the daemon in it.
if command -v groff > /dev/null; then
  for page in "$place"/share/man/man?/*; do
    warnings=$(groff -man -ww -Tascii -P-cbou "$page" 2>&1 > "$room/page") || fail "groff: $page"
    [ -z "$warnings" ] || fail "$page: $warnings"
  done
  groff -man -Tascii -P-cbou "$place/share/man/man1/attnd-run.1" 2> /dev/null > "$room/page"
  for option in $("$attnd" run --help | grep -o '^  --[a-z-]*'); do
    grep -q -e "$option" "$room/page" || fail "attnd-run(1) doesn't have $option"
  done
else
  echo "skipped: no groff (install.sh, the manual)"
fi

touch "$place/share/doc/attnd/mine"
"$scripts/install.sh" uninstall
[ "$(find "$DESTDIR" -type f)" = "$place/share/doc/attnd/mine" ] ||
  fail "left: $(find "$DESTDIR" -type f)"
rm "$place/share/doc/attnd/mine"
"$scripts/install.sh" uninstall
[ ! -e "$place/share/doc/attnd" ] || fail "left its folder of documentation"
echo "install.sh: $(wc -l < "$room/found") files installed, run, and gone again"
