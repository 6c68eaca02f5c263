# Completion of muster's command line for bash. All words come from `muster --help`, so that they are those of the
# installed program.
_muster() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} help usage with_value command='' word i
	COMPREPLY=()
	help=$(muster --help 2>/dev/null) || return
	usage=$(sed -n '/^Usage:/,/^$/p' <<<"$help")
	# The options that are followed by a value.
	with_value=$(grep -oe '\(^  \|\[\)--[a-z-]* [A-Z]' <<<"$help" | grep -oe '--[a-z-]*')
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
			--*) ! grep -qx -e "$word" <<<"$with_value" || ((i++)) ;;
			=) ((i++)) ;; # bash splits NAME=VALUE into three words
			*) command=$word; break ;;
		esac
	done
	case $prev in
		--set)
			mapfile -t COMPREPLY < <(compgen -S = -W "$(sed '1,/^Settings:/d; s/^ *\([A-Z0-9_]*\) .*/\1/; /^Exit/d' <<<"$help")" -- "$cur")
			compopt -o nospace
			return ;;
		--root)
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
			compopt -o filenames
			return ;;
	esac
	if grep -qx -e "$prev" <<<"$with_value" || [[ $command = name && $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
	fi
	local commands steps boot own words
	commands=$(sed -n 's/^  muster \([a-z][a-z]*\)\( .*\)*$/\1/p' <<<"$usage")
	steps=$(sed -n 's/^  \([a-z, ]*\); then .*/\1/p' <<<"$help" | tr -d ,)
	boot=$(sed -n '2p' <<<"$usage" | grep -oe '--[a-z-]*')
	if [ -z "$command" ]; then
		words="$commands $steps $boot $(sed -n 's/^  muster \(--.*\)/\1/p' <<<"$usage" | grep -oe '--[a-z-]*')"
	elif grep -qx -e "$command" <<<"$commands"; then
		own=$(sed -n "s/^  muster $command \(.*\)/\1/p" <<<"$usage" | grep -oe '--[a-z-]*')
		words="$own $(grep -Fx -f <(printf '%s\n' "$with_value") <<<"$boot")"
	else
		words="$steps $boot"
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _muster muster
