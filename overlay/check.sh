#!/bin/sh
# Has muster check what the tools of this folder make. They source this file; $stage and die are theirs.
# shellcheck disable=SC2154

muster_here() { # ARGUMENT...: runs the muster that was found; this machine's environment is not the board's
	env -i PATH="$PATH" ${runner:+"$runner"} "$program" "$@"
}

runs() { # whether that program runs here and has the check; --help keeps it from checking anything
	muster_here check --settings --help >/dev/null 2>&1
}

find_muster() { # CHECK-WITH BINARY QEMU BUILDS: finds a muster that runs on this machine, and fails where there is none
	program=${1:-$2} runner=''
	case $program in */*) ;; *) program=./$program ;; esac
	if [ -n "$1" ]; then
		runs || die "--check-with: $1 does not run on this machine, or is no muster of this version"
		return 0
	fi
	for runner in '' "$3" "$3-static"; do ! runs || return 0; done
	runner=''
	for program in "$4/$(uname -m)-unknown-linux-musl/release/muster" "$4/release/muster"; do ! runs || return 0; done
	return 1
}

refuse() { # WHAT TREE REASONS: the reasons, as one line
	reasons=$3
	# Not by sed: the path of the tree may hold any character.
	while :; do
		case $reasons in
			*" below $2"*) reasons=${reasons%%" below $2"*}${reasons#*" below $2"} ;;
			*) break ;;
		esac
	done
	die "muster would refuse $1: $(printf '%s' "$reasons" | sed 's/^muster: ERROR: //; s/^MISSING *settings *//' | tr '\n' ' ')"
}

check_tree() { # WHAT TREE: the settings and files of a board, below TREE; what a board would refuse ends the tool
	result=0
	muster_here --root "$2" check --settings >"$stage/checked" 2>"$stage/said" || result=$?
	missing=''
	case $result in
		0) ;;
		1)
			missing=$(grep '^MISSING ' "$stage/checked") || :
			# Something else brings a token that is not in the tree, to where the board looks for it by itself.
			[ -e "$2/etc/muster/token" ] || missing=$(printf '%s\n' "$missing" | grep -v ' K3S_TOKEN_FILE="/etc/muster/token" ') || :
			[ -z "$missing" ] || refuse "$1" "$2" "$missing" ;;
		*) refuse "$1" "$2" "$(cat "$stage/said")" ;;
	esac
	# The error that is left out says that something is missing: the token that comes later.
	grep -v '^muster: ERROR: ' "$stage/said" >&2 || :
	grep '^WARNING ' "$stage/checked" >&2 || :
}
