#!/bin/sh
# A deploy script that backout can use: it says what was deployed, and takes a unit back.
#
# The unit is a directory, $APP_DIR. versions/<label> is what can be served, history/<n> one file for each time that
# something went live, numbered without gaps; the highest is what serves. Each holds: label, time, operation, step.
#
#   deploy.sh deploy r42      what people and pipelines run
#   touch marks/r41.good      says that r41 served well, so that backout offers it
#   deploy.sh backout         what backout runs, for every command; $BACKOUT_METHOD says which
#
# It is atomic and survives a kill at any moment, without a lock: ln makes history/<n+1> whole or not at all, and fails if
# somebody else has made it first. The number is the token.
set -eu
LC_ALL=C
export LC_ALL
cd "${APP_DIR:?APP_DIR is the directory of the unit}"
mkdir -p history versions

sum() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-64; }

# Labels are file names of letters, digits, dots, dashes and underscores, so that they need no escaping anywhere below.
labels() { ls versions | grep -E '^[A-Za-z0-9_][A-Za-z0-9._-]*$' || true; }

last() { ls history | grep -E '^[0-9]+$' | sort -n | tail -n 1; }

# read_entry N: sets label, at, op and step.
read_entry() { read -r label at op step <"history/$1"; }

# add N LABEL OPERATION STEP: makes entry N, unless it is there.
add() {
	tmp=history/.new.$$
	echo "$2 $(date -u +%Y-%m-%dT%H:%M:%SZ) $3 $4" >"$tmp"
	ln "$tmp" "history/$1" 2>/dev/null || { rm -f "$tmp"; return 1; }
	rm -f "$tmp"
}

revision() { # LABEL [good evidence]
	printf '{"digest":"sha256:%s","label":"%s"%s}' "$(sum <"versions/$1")" "$1" "${2:+,\"good\":[\"$2\"]}"
}

observe() {
	n=$(last)
	read_entry "$n"
	[ "$op" = - ] && op=
	printf '{"unit":{"id":"local/app","kind":"script","service":"app","cas":"atomic"},"token":"%s","stamp":"%s","current":%s,"history":[' \
		"$n" "$op" "$(revision "$label")"
	comma=
	for other in $(labels | sort -r); do
		[ "$other" = "$label" ] && continue
		good=
		if [ -e "marks/$other.good" ]; then good="marked good by the team"; fi
		printf '%s%s' "$comma" "$(revision "$other" "$good")"
		comma=,
	done
	printf ']}\n'
}

result() { printf '{"outcome":"%s","token":"%s","detail":"%s"}\n' "$1" "$2" "$3"; }

apply() {
	n=$(last)
	read_entry "$n"
	if [ "$op" = "$BACKOUT_OPERATION" ] && [ "$step" = "$BACKOUT_STEP" ]; then
		result "already applied" "$n" "entry $n carries this operation"
	elif [ "$BACKOUT_TOKEN" != "$n" ]; then
		result "precondition failed" "$n" "$label went live meanwhile"
	elif ! [ -f "versions/$BACKOUT_TO_LABEL" ] || [ "sha256:$(sum <"versions/$BACKOUT_TO_LABEL")" != "$BACKOUT_TO" ]; then
		result failed "$n" "version $BACKOUT_TO_LABEL is gone or is not what it was"
	elif add $((n + 1)) "$BACKOUT_TO_LABEL" "$BACKOUT_OPERATION" "$BACKOUT_STEP"; then
		result applied $((n + 1)) "$BACKOUT_TO_LABEL is live"
	else
		result "precondition failed" "$(last)" "somebody was quicker"
	fi
}

changes() {
	from=
	for n in $(ls history | grep -E '^[0-9]+$' | sort -n); do
		read_entry "$n"
		kind=deploy
		[ "$op" = - ] || kind=rollback
		printf '{"type":"change","id":"app-%s","kind":"%s","service":"app","unit":"%s:local/app","title":"%s went live","effective_from":"%s","from":"%s","to":"%s"}\n' \
			"$n" "$kind" "$BACKOUT_PROVIDER" "$label" "$at" "$from" "$label"
		from=$label
	done
}

case "${1:-} ${BACKOUT_METHOD:-}" in
"deploy "*)
	until n=$(last) && add $((${n:-0} + 1)) "$2" - 0; do :; done
	;;
"backout changes") changes ;;
"backout units") echo '{"id":"local/app","kind":"script","service":"app","cas":"atomic"}' ;;
"backout observe") observe ;;
"backout apply") apply ;;
*)
	echo "deploy.sh deploy LABEL, or deploy.sh backout with BACKOUT_METHOD set to changes, units, observe or apply" >&2
	exit 2
	;;
esac
