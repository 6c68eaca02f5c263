#!/bin/sh
# Installs muster, its service, the manual page and the completions. The only list of what is installed: `make install`,
# Alpine's package and the release archive all use it. Settings that exist are kept.
set -eu
top=$(cd "$(dirname "$0")" && pwd)
[ -d "$top/openrc" ] || top=$(dirname "$top") # in the project this script is in packaging/

usage() {
	cat <<'E'
Usage: install.sh [--binary FILE] [DESTDIR]
Installs below DESTDIR (default: /).

  --binary FILE  the program (default: muster beside this script)
  --help         this text
E
}

die() {
	echo "install.sh: $*" >&2
	exit 2
}

binary=$top/muster destdir=''
while [ $# -gt 0 ]; do
	case $1 in
		--help | -h) usage; exit 0 ;;
		--binary) [ $# -ge 2 ] || die "--binary wants a value (see --help)"; binary=$2; shift 2 ;;
		-*) die "unknown option $1 (see --help)" ;;
		*) destdir=$1; shift ;;
	esac
done
[ -f "$binary" ] || die "there is no program at $binary: build it (make amd64, make aarch64), or name it with --binary"

put() { # MODE FILE PATH
	mkdir -p "$destdir${3%/*}"
	cp "$2" "$destdir$3"
	chmod "$1" "$destdir$3"
}

put 0755 "$binary" /usr/sbin/muster
put 0755 "$top/openrc/muster.initd" /etc/init.d/muster
put 0755 "$top/openrc/muster-health.initd" /etc/init.d/muster-health
put 0755 "$top/openrc/muster-log" /usr/libexec/muster-log
[ -e "$destdir/etc/conf.d/muster" ] || put 0644 "$top/openrc/muster.confd" /etc/conf.d/muster
put 0644 "$top/man/muster.8" /usr/share/man/man8/muster.8
put 0644 "$top/completions/muster.bash" /usr/share/bash-completion/completions/muster
put 0644 "$top/completions/_muster" /usr/share/zsh/site-functions/_muster
put 0644 "$top/completions/muster.fish" /usr/share/fish/vendor_completions.d/muster.fish
for licence in LICENSE-MIT LICENSE-APACHE; do
	put 0644 "$top/$licence" "/usr/share/licenses/muster/$licence"
done
