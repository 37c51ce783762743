# What backout runs on a host over ssh. POSIX sh and the usual tools; where stat or sha256sum differ between systems, each
# known form is tried. Arguments are positional and always quoted. Answers are fields that end with a NUL. Nothing below
# runs before the last line, which calls one of the functions, so that a script that was cut off does nothing.
set -u
LC_ALL=C
export LC_ALL
nl='
'
f() { printf '%s\0' "$1"; }
fail() { printf '%s\n' "$1" >&2; exit 3; }

# meta PATH: device.inode, time of content and time of change, in seconds with what fraction the system tells.
meta() {
	m=$(stat -c '%d.%i %.9Y %.9Z' -- "$1" 2>/dev/null) || m=x
	case $m in *[!0-9.\ ]* | '') m=$(stat -c '%d.%i %Y %Z' -- "$1" 2>/dev/null) || m=x ;; esac
	case $m in *[!0-9.\ ]* | '') m=$(stat -f '%d.%i %m %c' -- "$1" 2>/dev/null) || m=x ;; esac
	case $m in *[!0-9.\ ]* | '') fail "no stat program that is known" ;; esac
}

# text COMMAND...: its output in $t, with newlines at the end kept.
text() { t=$("$@" 2>/dev/null; echo .); t=${t%.}; }

where() { ( cd -P "$1" 2>/dev/null && pwd -P ); }

# show PATH: seven fields that describe a link, or one that says why not.
show() {
	if [ -h "$1" ]; then
		meta "$1"
		text readlink "$1"
		target=${t%"$nl"}
		text where "$1"
		f link; f "$target"; f "$m"; f "${t%"$nl"}"
		if [ -e "$1" ]; then f there; else f broken; fi
	elif [ -e "$1" ]; then f other
	else f none
	fi
}

glance() { # base releases current
	show "$1/$3"
	text where "$1/$2"
	f "${t%"$nl"}"
	prints "$1/$3"
	f end
}

notes() { # directory of a stamp
	for n in intent done reloaded reload-failed; do
		if [ -f "$1/$n" ]; then text head -c 4096 "$1/$n"; f "$n"; f "$t"; fi
	done
	f .
}

look() { # base releases current
	[ -d "$1/$2" ] || fail "no directory $1/$2"
	show "$1/$3"
	text where "$1/$2"
	f "${t%"$nl"}"
	for d in "$1/$2"/*; do
		if [ -d "$d" ] && [ ! -h "$d" ]; then
			meta "$d"
			f release; f "${d##*/}"; f "$m"
			if [ -w "$d" ]; then f yes; else f no; fi
			text head -c 4096 "$d/REVISION"; f "$t"
			text head -c 65536 "$d/release.json"; f "$t"
			for s in "$d/.backout"/*; do
				if [ -d "$s" ]; then f stamp; f "${s##*/}"; notes "$s"; fi
			done
			f .
			prints "$d"
		fi
	done
	f .
	text tail -c 1048576 "$1/revisions.log"; f "$t"
	text cat "$1/.$3.backout.lock/holder.json"; f "$t"
	if [ -w "$1" ]; then f yes; else f no; fi
	f end
}

sums() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"
	elif command -v shasum >/dev/null 2>&1; then shasum -a 256 "$@"
	else fail "no program that computes SHA-256: install coreutils"
	fi
}

# prints DIRECTORY: one field that changes whenever a file below it may have changed; empty where it is not known.
prints() { f "$(cd -P "$1" 2>/dev/null && print_here)"; }

print_here() {
	if stat -c %i . >/dev/null 2>&1; then
		set -- -c '%n %d.%i %s %.9Y %.9Z %f'
		case $(stat "$@" . 2>/dev/null) in *[?%]* | '') set -- -c '%n %d.%i %s %Y %Z %f' ;; esac
	else
		set -- -f '%N %d.%i %z %m %c %p'
	fi
	s=$(find . -path ./.backout -prune -o ! -type d -exec stat "$@" {} + 2>&1 | sums) && printf '%s' "${s%% *}"
}

fingerprint() { # directory of a release
	if [ -d "$1" ]; then prints "$1"; else f none; fi
	f end
}

# batch KIND: names, then one line for each with its sum. A name with a newline or a backslash is hashed from standard
# input, because programs write such names in different ways.
batch='kind=$1; shift
f() { printf "%s\0" "$1"; }
f "$kind"; f "$#"
printf "%s\0" "$@"
odd=
for p do case $p in *"
"* | *\\*) odd=1 ;; esac; done
if command -v sha256sum >/dev/null 2>&1; then set -- sha256sum "$@"; else set -- shasum "$@"; fi
tool=$1; shift
if [ "$tool" = shasum ]; then sum() { shasum -a 256 "$@"; }; else sum() { sha256sum "$@"; }; fi
if [ -z "$odd" ]; then sum "$@" || echo bad; else for p do sum <"$p" || echo bad; done; fi
printf "\0"'
links='for p do t=$(readlink "$p"; echo .); t=${t%?.}; printf "l\0%s\0%s\0" "$p" "$t"; done'
others='for p do printf "o\0%s\0" "$p"; done'

manifest() { # directory of a release
	cd -P "$1" 2>/dev/null || { f none; f end; return; }
	sums </dev/null >/dev/null
	find . -path ./.backout -prune -o -type f \( -perm -100 -o -perm -010 -o -perm -001 \) -exec sh -c "$batch" sh x {} + || fail "read the release"
	find . -path ./.backout -prune -o -type f ! -perm -100 ! -perm -010 ! -perm -001 -exec sh -c "$batch" sh f {} + || fail "read the release"
	find . -path ./.backout -prune -o -type l -exec sh -c "$links" sh {} + || fail "read the release"
	find . -path ./.backout -prune -o ! -type f ! -type l ! -type d -exec sh -c "$others" sh {} + || fail "read the release"
	f end
}

content() { # file limit
	head -c "$2" "$1" || fail "read a file of a release"
}

command_in() { # directory program arguments
	cd "$1" || exit 3
	shift
	exec "$@" </dev/null
}

note() { # directory name text
	printf '%s' "$3" >"$1/.new-$$" && mv -f "$1/.new-$$" "$1/$2" || fail "note $2 beside the release"
	f end
}

read_notes() { notes "$1"; f end; } # directory

# place TEMP CURRENT: renames one link over another. Without the right option mv would move it into the directory.
place() {
	if mv --help 2>&1 | grep -q -- -T; then mv -fT "$1" "$2"
	elif [ "$(uname)" != Linux ]; then mv -fh "$1" "$2"
	else return 1
	fi
}

same() { # current target meta: is current still this link?
	[ -h "$1" ] || return 1
	meta "$1"
	text readlink "$1"
	id=${m%% *}
	rest=${m#* }
	made=${rest%% *}
	case $made in *.*) ;; *) made=$made.000000000 ;; esac
	[ "${t%"$nl"}" = "$2" ] && [ "$id $made" = "$3" ]
}

answer() { f "$1"; f "$2"; show "$cur"; f end; }

switch() { # base releases current label stamp new-target old-target old-meta intent done
	cur=$1/$3
	dir=$1/$2/$4
	guard=$1/.$3.backout.switch
	temp=$1/.$3.backout-$5.remote
	[ -d "$dir" ] && [ ! -h "$dir" ] || { answer failed "the release is gone"; return; }
	if [ -h "$cur" ]; then
		text readlink "$cur"
		[ "${t%"$nl"}" = "$6" ] && { answer already "current carries this operation's stamp"; return; }
	fi
	if ! mkdir "$guard" 2>/dev/null; then
		# A switch takes less than a second. One that is a minute old was cut off.
		[ -n "$(find "$guard" -prune -mmin +1 2>/dev/null)" ] && rmdir "$guard" 2>/dev/null
		mkdir "$guard" 2>/dev/null || { answer failed "another switch is being made, or $1 cannot be written to"; return; }
	fi
	trap 'rm -f "$temp"; rmdir "$guard" 2>/dev/null' EXIT
	if ! same "$cur" "$7" "$8"; then answer refused "current is another link than the plan saw"; return; fi
	touch -r "$dir" "$temp.time" && mkdir -p "$dir/.backout/$5" && touch -r "$temp.time" "$dir"
	rm -f "$temp.time" "$temp"
	if ! { printf '%s' "$9" >"$dir/.backout/$5/intent" && ln -s "$6" "$temp"; }; then
		answer failed "the release or $1 cannot be written to"
		return
	fi
	# The caller says go at the last moment. If it is gone, or out of time, nothing happens, however late this runs.
	f ready
	read -r go || go=
	[ "$go" = go ] || { answer failed "called off before the switch"; return; }
	if ! same "$cur" "$7" "$8"; then answer refused "current is another link than the plan saw"; return; fi
	meta "$temp"
	rest=${m#* }
	if ! place "$temp" "$cur"; then answer failed "no mv that replaces a link"; return; fi
	printf '%s%s"}' "${10}" "${rest%% *}" >"$dir/.backout/$5/.new" && mv -f "$dir/.backout/$5/.new" "$dir/.backout/$5/done"
	answer applied "switched"
}

lock() { # directory holder expected: takes it when it is free, or when its holder is as expected
	if ! mkdir "$1" 2>/dev/null; then
		text cat "$1/holder.json"
		if [ -z "$3" ] || [ "$t" != "$3" ]; then f held; f "$t"; f end; return; fi
	fi
	printf '%s' "$2" >"$1/.new-$$" && mv -f "$1/.new-$$" "$1/holder.json" || fail "write the lock"
	f taken; f end
}

unlock() { # directory holder
	text cat "$1/holder.json"
	[ "$t" = "$2" ] && rm -f "$1/holder.json" && rmdir "$1"
	f end
}
