#!/bin/sh
# Installs what was built, or removes what was installed.
#
#     Scripts/install.sh install|uninstall [ATTND]
#
# PREFIX is where attnd is to live (/usr/local), DESTDIR a folder that stands for / meanwhile, for who
# makes packages. What isn't ours, and what the user has written, is never touched: the configuration
# comes as an example beside the documentation.
set -eu
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
case $prefix in
/*) ;;
*) echo "PREFIX is '$prefix', expected an absolute path" >&2; exit 64 ;;
esac
data=$root$prefix/share
units=$root$prefix/lib/systemd
examples=$data/doc/attnd/examples

units_of() { # system or user
  for unit in attnd.service attnd.socket; do
    if [ "$1" = user ]; then echo "Config/user/$unit"; else echo "Config/$unit"; fi
  done
}

put() { # mode, file, where it goes: the folder is made
  install -D -m "$1" "$2" "$3"
}

install_all() { # the program
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  put 755 "$1" "$root$prefix/bin/attnd"
  # Made by the program from what its commands say of themselves.
  "$1" manual "$made/man"
  for page in "$made"/man/man?/*; do
    section=${page##*.}
    put 644 "$page" "$data/man/man$section/${page##*/}"
  done
  for shell in bash zsh fish; do
    "$1" --generate-completion-script "$shell" > "$made/$shell"
  done
  put 644 "$made/bash" "$data/bash-completion/completions/attnd"
  put 644 "$made/zsh" "$data/zsh/site-functions/_attnd"
  put 644 "$made/fish" "$data/fish/vendor_completions.d/attnd.fish"
  for kind in system user; do
    for unit in $(units_of $kind); do
      sed "s|/usr/local/bin/attnd|$prefix/bin/attnd|" "$unit" > "$made/unit"
      put 644 "$made/unit" "$units/$kind/${unit##*/}"
    done
  done
  for example in attnd.yaml mqtt.conf attnd.avahi.service haproxy.cfg; do
    put 644 "Config/$example" "$examples/$example"
  done
  put 644 LICENSE "$data/doc/attnd/LICENSE"
  put 644 NOTICE "$data/doc/attnd/NOTICE"
}

uninstall_all() {
  # A page for each command, those of another version among them.
  rm -f "$root$prefix/bin/attnd" "$data/man/man1/attnd.1" "$data"/man/man1/attnd-*.1 \
    "$data/man/man5/attnd.yaml.5" \
    "$data/bash-completion/completions/attnd" "$data/zsh/site-functions/_attnd" \
    "$data/fish/vendor_completions.d/attnd.fish"
  for kind in system user; do
    rm -f "$units/$kind/attnd.service" "$units/$kind/attnd.socket"
  done
  for example in attnd.yaml mqtt.conf attnd.avahi.service haproxy.cfg; do
    rm -f "$examples/$example"
  done
  rm -f "$data/doc/attnd/LICENSE" "$data/doc/attnd/NOTICE"
  # Folders that are ours alone, if nobody has put anything there.
  for folder in "$examples" "$data/doc/attnd"; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
  done
}

case ${1:-} in
install) install_all "${2:?usage: $0 install ATTND}" ;;
uninstall) uninstall_all ;;
*) echo "usage: $0 install|uninstall [ATTND]" >&2; exit 64 ;;
esac
