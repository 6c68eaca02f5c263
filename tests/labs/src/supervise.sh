#!/bin/sh
# shellcheck disable=SC1091,SC2034,SC2154  # the sourced files, which are on the board, set variables and use them
# Starts the muster service of a namespace board, with the service's own script and settings, and restarts it as OpenRC's
# supervise-daemon does (supervisor() in its supervise-daemon.c): the child's end, respawn_delay, a new child with a new
# logger. Standard error shows what muster and k3s log.
set -u
RC_SVCNAME=muster
einfo() { echo "$*" >&2; }
ewarn() { echo "$*" >&2; }
eerror() { echo "$*" >&2; return 1; }
# A board has neither ifupdown-ng nor /etc/network/interfaces.
ifup() { ip link set "$1" up; }
error_logger=''
. /etc/conf.d/muster
. /etc/init.d/muster
[ "$respawn_max" = 0 ] || exit 1

# supervise-daemon's own script evaluates it like this. /dev is this machine's, and its console is no part of the board.
eval "logger=\"${error_logger:-exec cat >/dev/null}\""
logger=$(echo "$logger" | sed 's:/dev/console:/dev/null:')
mkfifo /run/log

start_pre
while :; do
	tee /dev/stderr </run/log | sh -c "$logger" &
	# shellcheck disable=SC2086  # words
	setsid $command $command_args </dev/null >/dev/null 2>/run/log &
	wait $!
	echo "supervisor: $command ended with $?; it is restarted in $respawn_delay s" >&2
	sleep "$respawn_delay"
done
