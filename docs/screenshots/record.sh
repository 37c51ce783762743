#!/usr/bin/env bash
# Takes the pictures in the docs from the real program on the real demo. Needs tmux, rsvg-convert (librsvg2-bin) and
# DejaVu fonts. Usage: docs/screenshots/record.sh [shop] [kubernetes]; without a name all of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$(mktemp -d)
socket="$work/tmux"
trap 'tmux -S "$socket" kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/backout" ./cmd/backout
go build -o "$work/screenshot" ./test/screenshot

opens() { # opens the demo in a terminal of its own
  tmux -S "$socket" -f /dev/null new-session -d -s x -x 120 -y 36 \
    "env -u TMUX -u NO_COLOR TERM=xterm-256color LANG=C.UTF-8 BACKOUT_IDENTITY_NAME=ana@example.com $work/backout demo $*" \; set -g status off
}
shows() { # waits until the screen holds a text
  for _ in $(seq "${2:-300}"); do
    tmux -S "$socket" capture-pane -p -t x | grep -qE "$1" && return 0
    sleep 0.1
  done
  echo "the screen never showed: $1" >&2
  exit 1
}
take() { # saves the screen as a picture
  tmux -S "$socket" capture-pane -e -p -t x | "$work/screenshot" > "$work/$1.svg"
  rsvg-convert -z 1.25 -o "$here/$1.png" "$work/$1.svg"
}
press() { for k in "$@"; do tmux -S "$socket" send-keys -t x "$k"; sleep 0.06; done; }

shop() {
  opens
  shows 'ROLLBACK +ready'
  sleep 2 # the alerts of the other services
  take timeline
  press Enter
  shows 'OTHERS'
  take culprit
  press Escape
  shows 'TIME UTC'
  press r
  shows 'STEPS'
  take plan
  press R
  shows 'ROLL BACK IN PRODUCTION'
  sleep 0.5 # keys are dropped at first
  press p r i c i n
  take confirm
  press g Enter
  shows 'holding'
  take run
  shows 'succeeded'
  press C-c
}
kubernetes() {
  opens --scenario kubernetes
  shows 'ROLLBACK +ready' 12000 # the first time its servers are built
  sleep 2
  press r
  shows 'STEPS'
  press R
  shows 'ROLL BACK IN PRODUCTION'
  sleep 0.5
  press p r i c i n g Enter
  shows 'holding'
  take kubernetes
  shows 'succeeded'
  press C-c
}

for part in "${@:-shop kubernetes}"; do
  for one in $part; do
    "$one"
    while tmux -S "$socket" has-session -t x 2>/dev/null; do sleep 0.2; done
  done
done
