#!/bin/sh
# Makes the overlay (apkovl) with which one Alpine image boots as a k3s worker. After Alpine's genapkovl-*.sh: the
# archive goes to the current folder and is called <NAME>.apkovl.tar.gz. See docs/netboot.md.
#
# The tar is written here, entry by entry: no two of GNU, BSD and BusyBox tar share the options for "owned by root, in this
# order, at this time", and BusyBox's has none of them. So every system makes the same archive, and none needs root for it.
set -eu
umask 022
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")

usage() {
	cat <<'E'
Usage: genapkovl-muster.sh --server URL --token-file FILE [options] [NAME]
Writes NAME.apkovl.tar.gz (NAME: worker): the same input gives the same bytes.

  --server URL        the k3s server, https:// only (K3S_URL)
  --token-file FILE   the join token; goes to /etc/muster/token, mode 0600
  --no-token          leave the token out: something else brings it
  --set NAME=VALUE    any setting of /etc/conf.d/muster; repeatable
  --node NAME=FILE    k3s's own YAML for the node called NAME; repeatable
  --ssh-key FILE      a public key that may log in as root; repeatable
  --add DIR           a tree of your own, laid over all else; repeatable
  --apk PACKAGE       one more Alpine package; repeatable
  --arch ARCH         aarch64 (default), armv7 or x86_64
  --binary FILE       the muster binary (default: the one of this release, or
                      this project's release build for ARCH)
  --check-with FILE   a muster that runs on this machine and checks the
                      settings (default: see below)
  --output FILE       write there instead
  --help              this text

muster itself checks the settings, the token and the files that the settings
name, as a board would: the --binary if it runs on this machine, as it is or
by qemu-user, else this project's release build for this machine. Without any
of them the overlay is made with a warning.

SOURCE_DATE_EPOCH (seconds since 1970) dates the archive's files; a board
without a clock takes it for the earliest time it can be.
E
}

die() {
	echo "genapkovl-muster.sh: $*" >&2
	exit 2
}

readable() { # OPTION FILE
	[ -f "$2" ] || die "$1: no such file: $2"
	[ -r "$2" ] || die "$1: may not read $2"
}

# ---- what is asked for

name='' arch=aarch64 binary='' output='' token='' no_token='' check_with='' part=''
settings='' # NAME="value" lines
stage=$(mktemp -d "${TMPDIR:-/tmp}/muster-overlay.XXXXXX")
trap 'rm -rf "$stage" ${part:+"$part"}' EXIT
trap 'exit 1' HUP INT TERM
tree=$stage/tree
mkdir "$tree" "$stage/nodes"
: >"$stage/keys"
: >"$stage/apks"
: >"$stage/add"

setting() { # OPTION NAME=VALUE
	case $2 in *=*) ;; *) die "$1: '$2' is not NAME=VALUE" ;; esac
	key=${2%%=*} value=${2#*=}
	[ "$key" != K3S_TOKEN ] || die "$1: K3S_TOKEN would be in a file that everyone can read: use --token-file"
	case $key in *[!A-Z0-9_]* | '') die "$1: not a setting's name: '$key'" ;; esac
	# The settings file is the one list of names; the proxies are for k3s too, and so exported.
	line=$(grep -E "^#(export )?$key=" "$top/openrc/muster.confd") || die "$1: no such setting: '$key' (see openrc/muster.confd)"
	case $value in *[\"\\\$\`]*) die "$1: $key: a value cannot hold any of \" \\ \$ \`" ;; esac
	[ "$(printf '%s' "$value" | tr -d '\n')" = "$value" ] || die "$1: $key: a value is one line"
	line=${line#?}
	line=${line%%=*}
	case $settings in *"
$line="*) die "$1: $key is given twice" ;; esac
	settings="$settings
$line=\"$value\""
}

while [ $# -gt 0 ]; do
	case $1 in
		--help | -h) usage; exit 0 ;;
		--no-token) no_token=yes; shift; continue ;;
		--server | --token-file | --set | --node | --ssh-key | --add | --apk | --arch | --binary | --check-with | --output)
			[ $# -ge 2 ] || die "$1 wants a value (see --help)" ;;
		-*) die "unknown option $1 (see --help)" ;;
		*)
			[ -z "$name" ] || die "one NAME only: '$name', then '$1'"
			case $1 in */* | '') die "not a name: '$1'" ;; esac
			name=$1; shift; continue ;;
	esac
	case $1 in
		--server)
			case $2 in https://?*) ;; *) die "--server: '$2' does not begin with https://" ;; esac
			setting "$1" "K3S_URL=$2" ;;
		--token-file)
			readable "$1" "$2"
			[ -s "$2" ] || die "--token-file: $2 is empty"
			token=$2 ;;
		--set)
			case $2 in K3S_URL=*) die "--set: use --server for K3S_URL" ;; esac
			setting "$1" "$2" ;;
		--node)
			case $2 in ?*=?*) ;; *) die "--node: '$2' is not NAME=FILE" ;; esac
			node=${2%%=*}
			case $node in *[!a-z0-9-]* | -* | *-) die "--node: '$node' is no hostname" ;; esac
			readable "$1" "${2#*=}"
			[ ! -e "$stage/nodes/$node.yaml" ] || die "--node: $node is given twice"
			cat "${2#*=}" >"$stage/nodes/$node.yaml" ;;
		--ssh-key)
			readable "$1" "$2"
			grep -q 'PRIVATE KEY' "$2" && die "--ssh-key: $2 is a private key: give the .pub file"
			grep -Eq '^[^#]*(ssh-|ecdsa-|sk-)' "$2" || die "--ssh-key: $2 holds no public key"
			awk 1 "$2" >>"$stage/keys" ;; # awk ends each line, the last one too
		--add)
			[ -d "$2" ] || die "--add: no such directory: $2"
			(cd "$2" && pwd) >>"$stage/add" ;;
		--apk)
			case $2 in '' | *[!A-Za-z0-9_.+~@\<\>=-]*) die "--apk: not a package: '$2'" ;; esac
			echo "$2" >>"$stage/apks" ;;
		--arch) arch=$2 ;;
		--binary) readable "$1" "$2"; binary=$2 ;;
		--check-with) readable "$1" "$2"; check_with=$2 ;;
		--output) output=$2 ;;
	esac
	shift 2
done

# e_machine of the ELF header, in octal, by which a binary for another machine is found out.
case $arch in
	aarch64) target=aarch64-unknown-linux-musl elf=267 qemu=qemu-aarch64 ;;
	armv7) target=armv7-unknown-linux-musleabihf elf=050 qemu=qemu-arm ;;
	x86_64) target=x86_64-unknown-linux-musl elf=076 qemu=qemu-x86_64 ;;
	*) die "--arch: '$arch' is none of aarch64, armv7, x86_64" ;;
esac
case $settings in *K3S_URL=*) ;; *) die "--server is required (see --help)" ;; esac
[ -n "$token$no_token" ] || die "--token-file is required, or --no-token (see --help)"
[ -z "$token" ] || [ -z "$no_token" ] || die "--token-file and --no-token exclude each other"
builds=${CARGO_TARGET_DIR:-$top/target}
if [ -z "$binary" ]; then
	binary=$top/muster # in an archive of a release
	[ -f "$binary" ] || binary=$builds/$target/release/muster
	[ -f "$binary" ] || die "no muster for $arch at $binary: build it (see README), or name one with --binary"
fi
magic=$(od -An -v -to1 -N20 "$binary" | tr -d ' \n')
case $magic in
	177105114106*"$elf"000) ;;
	177105114106*) die "--binary: $binary is not built for $arch" ;;
	043041*) ;; # a script runs anywhere
	*) die "--binary: $binary is not an ELF program" ;;
esac
epoch=${SOURCE_DATE_EPOCH:-315532800} # 1980: old enough to be in no node's future, new enough that no tar finds it odd
case $epoch in '' | *[!0-9]*) die "SOURCE_DATE_EPOCH: '$epoch' is no number" ;; esac
output=${output:-${name:-worker}.apkovl.tar.gz}
[ -d "$(dirname "$output")" ] || die "--output: no such directory: $(dirname "$output")"

# ---- the tree

put() { # MODE PATH: stdin into the tree
	mkdir -p "$tree/${2%/*}"
	cat >"$tree/$2"
	chmod "$1" "$tree/$2"
}

rc_add() { # RUNLEVEL SERVICE...
	level=$1
	shift
	mkdir -p "$tree/etc/runlevels/$level"
	for service; do ln -sf "/etc/init.d/$service" "$tree/etc/runlevels/$level/$service"; done
}

put 0755 usr/sbin/muster <"$binary"
put 0755 etc/init.d/muster <"$top/openrc/muster.initd"
put 0755 etc/init.d/muster-health <"$top/openrc/muster-health.initd"
put 0644 etc/conf.d/ntpd <"$top/openrc/ntpd.confd"
put 0755 usr/libexec/muster-log <"$top/openrc/muster-log"
{
	cat "$top/openrc/muster.confd"
	printf '\n# Set by genapkovl-muster.sh:%s\n' "$settings"
} | put 0644 etc/conf.d/muster
[ -z "$token" ] || put 0600 etc/muster/token <"$token"
for file in "$stage"/nodes/*.yaml; do
	[ ! -f "$file" ] || put 0600 "etc/muster/nodes/${file##*/}" <"$file"
done
# muster alone speaks for the NIC: a second DHCP client would fight it.
put 0644 etc/network/interfaces <<'E'
auto lo
iface lo inet loopback
E
# ca-certificates-bundle is for the images that k3s pulls; muster brings its own roots.
{
	printf '%s\n' alpine-base ca-certificates-bundle
	[ ! -s "$stage/keys" ] || echo openssh-server
	cat "$stage/apks"
} | sort -u | put 0644 etc/apk/world
echo "$arch" | put 0644 etc/apk/arch

# As Alpine's genapkovl-dhcp.sh has them; hwclock or swclock is added by the initramfs, which knows whether there is a clock.
rc_add sysinit devfs dmesg mdev hwdrivers modloop cgroups
rc_add boot modules sysctl hostname bootmisc syslog networking muster
rc_add shutdown mount-ro killprocs savecache
rc_add default local muster-health
if [ -s "$stage/keys" ]; then
	put 0600 root/.ssh/authorized_keys <"$stage/keys"
	chmod 0700 "$tree/root" "$tree/root/.ssh"
	rc_add default sshd
fi
(cd "$tree" && find . -type d) >"$stage/folders"
while IFS= read -r dir; do
	# -p keeps the modes: what was secret there stays so.
	cp -R -P -p "$dir/." "$tree/" || die "--add: could not copy all of $dir"
	# apk installs what this file names and nothing else.
	[ ! -f "$dir/etc/apk/world" ] || tr -s ' \t' '\n' <"$dir/etc/apk/world" | grep -Eq '^alpine-base([=<>~@]|$)' ||
		die "--add: $dir has an etc/apk/world without alpine-base, and boards may have no /sbin/init"
done <"$stage/add"

# The folders of the system keep their modes, though: an added /etc of mode 0700 would close the board's /etc to all but root.
(cd "$tree" && find . -type d \( ! -path './*/*' -o -path './usr/*' ! -path './usr/*/*/*' -o -path './var/*' ! -path './var/*/*' \)) >>"$stage/folders"
while IFS= read -r folder; do
	case $folder in
		./root | ./root/.ssh) mode=0700 ;;
		./tmp | ./var/tmp) mode=1777 ;;
		*) mode=0755 ;;
	esac
	chmod "$mode" "$tree/$folder"
done <"$stage/folders"

# ---- the check

# shellcheck source=/dev/null
. "$here/check.sh"
if find_muster "$check_with" "$binary" "$qemu" "$builds"; then
	check_tree 'this overlay' "$tree"
else
	echo "genapkovl-muster.sh: warning: the settings were not checked, because no muster runs on this machine: build one with" \
		"\`make amd64\`, install qemu-user, or name one with --check-with" >&2
fi

# ---- the archive (POSIX ustar)

zeros=$(i=0; while [ $i -lt 512 ]; do printf '\\000'; i=$((i + 1)); done)

nul() { # COUNT bytes of zero
	# shellcheck disable=SC2059  # the format is the string of escapes
	printf "$(printf "%.$(($1 * 4))s" "$zeros")"
}

field() { # WIDTH TEXT, filled up with zeros
	[ ${#2} -le "$1" ] || die "too long for a tar header: $2"
	printf '%s' "$2"
	nul $(($1 - ${#2}))
}

octal() { # WIDTH NUMBER
	printf "%0$(($1 - 1))o\\000" "$2"
}

header() { # CHECKSUM, as a format for printf; all else is in variables
	field 100 "$short"
	octal 8 "$mode"
	octal 8 0 # uid and gid: root, whoever runs this
	octal 8 0
	octal 12 "$size"
	octal 12 "$epoch"
	# shellcheck disable=SC2059
	printf "$1"
	printf '%s' "$kind"
	field 100 "$link"
	printf 'ustar\00000'
	field 32 root
	field 32 root
	octal 8 0
	octal 8 0
	field 155 "$prefix"
	nul 12
}

permissions() { # rwxr-xr-x as ls prints it: the mode, in decimal
	printf '%s\n' "$1" | awk '{
		for (i = 2; i <= 10; i++) {
			c = substr($1, i, 1)
			mode = mode * 2 + (c ~ /[rwxst]/)
			if (c ~ /[sStT]/) special += i == 4 ? 2048 : i == 7 ? 1024 : 512
		}
		print mode + special }'
}

entry() { # PATH below the tree
	path=${1#./} prefix='' link='' size=0
	# shellcheck disable=SC2012  # stat has other options on every system
	mode=$(permissions "$(ls -ld "$tree/$path" | cut -c1-10)")
	short=$path
	if [ -L "$tree/$path" ]; then
		kind=2 mode=511 link=$(readlink "$tree/$path")
	elif [ -d "$tree/$path" ]; then
		kind=5 short=$path/
	elif [ -f "$tree/$path" ]; then
		kind=0 size=$(($(wc -c <"$tree/$path")))
	else
		die "neither file, directory nor link: /$path"
	fi
	if [ ${#short} -gt 100 ]; then # ustar splits a long path at a slash
		prefix=${path%/*} short=${short#"${path%/*}/"}
	fi
	header '        ' >"$stage/header"
	sum=$(od -An -v -tu1 "$stage/header" | awk '{ for (i = 1; i <= NF; i++) sum += $i } END { print sum }')
	header "$(printf '%06o' "$sum")\\000 "
	if [ "$kind" = 0 ]; then
		cat "$tree/$path"
		nul $(((512 - size % 512) % 512))
	fi
}

(cd "$tree" && find . ! -name . | sort) >"$stage/list"
{
	while IFS= read -r path; do entry "$path"; done <"$stage/list"
	nul 512
	nul 512
} >"$stage/tar"
# Whole or not at all. mktemp makes a file that only its owner can read: whoever can read the archive has the token.
part=$(mktemp "$output.XXXXXX")
gzip -9 -n <"$stage/tar" >"$part" # -n leaves the time of day out
[ -n "$token" ] || chmod 0644 "$part"
mv "$part" "$output"
part=''
echo "$output: $(wc -l <"$stage/list" | tr -d ' ') entries, $(wc -c <"$output" | tr -d ' ') bytes"
