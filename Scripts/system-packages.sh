#!/bin/sh
# Sees to it that the C libraries attnd is built on are there: installs Debian's packages when run
# as root, names them otherwise. Prints nothing when all is well.
set -eu

missing=""
need() { # header, package
  [ -e "/usr/include/$1" ] || missing="$missing $2"
}
need sndfile.h libsndfile1-dev
need alsa/asoundlib.h libasound2-dev
need soxr.h libsoxr-dev
need zlib.h zlib1g-dev
need yaml.h libyaml-dev
need mosquitto.h libmosquitto-dev
command -v pkg-config >/dev/null 2>&1 || missing="$missing pkg-config"

if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing"
    apt-get update -qq
    # The word splitting is wanted: a list of packages.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "attnd needs these packages:$missing" >&2
    echo "Install them as root:  apt-get install$missing" >&2
    exit 69
  fi
fi

if ! command -v swift >/dev/null 2>&1; then
  echo "attnd needs Swift 6.3 or newer; swift.org/install has it for Debian 12." >&2
  exit 69
fi
