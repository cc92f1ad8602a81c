#!/bin/sh
# Prints the keywords that attnd hears, with socat and jq:  sh subscribe.sh SOCKET
#
# An event is a header line, then data_length bytes of JSON and payload_length bytes of anything,
# with no newline after them: read a line, then count bytes. (jq alone on the stream would print
# each event only when the next one comes.)
set -eu

# A request may have its fields in the header: then a line is all of it. ignoreeof keeps the
# connection open behind it.
echo '{"type": "subscribe", "data": {"events": ["detection"]}}' |
socat -,ignoreeof "UNIX-CONNECT:$1" |
while IFS= read -r header; do
  field() { printf '%s' "$header" | jq -r "$1"; }
  data=$(head -c "$(field '.data_length // 0')")
  head -c "$(field '.payload_length // 0')" > /dev/null
  case $(field .type) in
    detection) printf '%s' "$data" | jq -r '"\(.time) s  \(.name)  \(.score)"' ;;
    error) printf '%s' "$data" | jq -r .text >&2 ;;
    bye) break ;;
  esac
done
