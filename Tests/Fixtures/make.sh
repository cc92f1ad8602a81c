#!/usr/bin/env bash
# Makes the clips of this folder and spans.tsv, which says where in them the words are.
#
#     Tests/Fixtures/make.sh [FOLDER]
#
# Needs flite, espeak-ng and sox (Debian: apt install flite espeak-ng sox). With the same versions
# the samples come out the same; the committed ones were made with flite 2.2, espeak-ng 1.51 and
# sox 14.4.2. Levels are RMS over the spoken part.
set -euo pipefail
out=$(realpath "${1:-$(dirname "$0")}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rate=16000
speech=-25 # dBFS
floor=-58  # dBFS: a quiet room

sox() { command sox -R -D "$@"; } # -R: the same noise every time; -D: no dither

# say VOICE TEXT FILE: one utterance, without silence at its ends, at the speech level.
say() {
  local voice=$1 text=$2 file=$3 level
  case $voice in
    espeak:*) espeak-ng -v "${voice#espeak:}" -s 150 -w "$work/raw.wav" "$text" ;;
    *) flite -voice "$voice" -t "$text" -o "$work/raw.wav" ;;
  esac
  sox "$work/raw.wav" -b 24 -c 1 "$work/cut.wav" rate $rate \
    silence 1 0.02 1% reverse silence 1 0.02 1% reverse
  level=$(command sox "$work/cut.wav" -n stats 2>&1 | awk '/^RMS lev dB/ {print $4}')
  sox "$work/cut.wav" "$file" fade t 0.01 -0 0.02 gain "$(awk "BEGIN {print $speech - ($level)}")"
}

# A clip is a list of pieces; `position` counts its samples.
begin() { clip=$1 pieces=() position=0; }
add() { pieces+=("$1"); position=$((position + $(soxi -s "$1"))); }

pause() { # seconds
  local file="$work/piece-${#pieces[@]}.wav"
  sox -r $rate -n -b 24 -c 1 "$file" trim 0 "$1"
  add "$file"
}

speak() { # voice, text
  local file="$work/piece-${#pieces[@]}.wav"
  say "$1" "$2" "$file"
  add "$file"
}

keyword() { # voice, word as spoken, word as the model calls it
  local start=$position
  speak "$1" "$2"
  awk -v OFS='\t' -v s="$start" -v e="$position" -v r=$rate -v f="$clip.flac" -v w="$3" \
    'BEGIN {print f, w, sprintf("%.4f", s / r), sprintf("%.4f", e / r)}' >> "$work/spans.tsv"
}

finish() { # puts the room's noise under the clip and writes it
  sox "${pieces[@]}" "$work/speech.wav"
  noise "$position" "$work/noise.wav"
  sox -m -v 1 "$work/speech.wav" -v 1 "$work/noise.wav" -b 16 "$out/$clip.flac"
}

noise() { # samples, file
  local level
  sox -r $rate -n -b 24 -c 1 "$work/loud.wav" synth "${1}s" pinknoise gain -20
  level=$(command sox "$work/loud.wav" -n stats 2>&1 | awk '/^RMS lev dB/ {print $4}')
  sox "$work/loud.wav" "$2" gain "$(awk "BEGIN {print $floor - ($level)}")"
}

printf 'file\tword\tstart\tend\n' > "$work/spans.tsv"

begin demo
pause 0.4
speak slt "Good morning, it is a fine day today."
pause 1.1
keyword slt "alexa" alexa
pause 1.0
keyword rms "computer" computer
pause 1.0
keyword espeak:en-gb "jarvis" jarvis
pause 1.0
keyword slt "snow boy" snowboy
pause 1.0
keyword rms "smart mirror" smart_mirror
pause 1.0
keyword espeak:en-us "view glass" view_glass
pause 1.0
finish

begin keywords
pause 1.5
for word in alexa computer jarvis snowboy smart_mirror view_glass; do
  case $word in
    snowboy) spoken="snow boy" ;;
    *) spoken=${word//_/ } ;;
  esac
  keyword awb "$spoken" "$word"
  pause 1.5
done
finish

begin negative
pause 0.3
speak awb "The ferry leaves at seven, and the last train home is a little after eleven."
pause 0.4
speak slt "Put two onions and a carrot into the pot, and let them simmer for twenty minutes."
pause 0.4
speak rms "We walked along the river until the rain stopped, then had some tea."
pause 0.3
finish

begin noise
pause 3
finish

mv "$work/spans.tsv" "$out/spans.tsv"
