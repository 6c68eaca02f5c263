#!/bin/sh
# Lays out what a site serves so that its boards boot over the network. From an Alpine release and the overlay of
# genapkovl-muster.sh it makes a TFTP root, an HTTP root and a dnsmasq.conf. See docs/netboot.md.
#
# Kernel and modules come from one release, so they always belong together. The tree is built in a temporary folder beside
# OUTPUT and then renamed: OUTPUT is either whole or unchanged.
set -eu
umask 022
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)

usage() {
	cat <<'E'
Usage: netboot-tree.sh --alpine DIR|TARBALL --overlay FILE --interface NAME
                       --address ADDR/LEN [options]
Makes a folder with all that a site serves to netboot its boards: tftp/, http/
and dnsmasq.conf. The same input gives the same tree.

  --alpine DIR|TARBALL     Alpine's release for aarch64, packed or unpacked:
                           alpine-rpi-* (Raspberry Pi) or alpine-netboot-*
                           (boards with UEFI)
  --overlay FILE           the overlay that genapkovl-muster.sh made
  --interface NAME         the serving machine's interface to the boards
  --address ADDR/LEN       its IPv4 address there and the prefix length
  --repository URL[,URL]   boards get packages from this mirror, not from the
                           release; required where the release has no apks/
  --grub FILE              GRUB's network binary for arm64 (grubnetaa64.efi);
                           required for alpine-netboot
  --flavor NAME            the kernel to boot, where the release has several
                           (default: the only one, or lts)
  --k3s FILE               serve k3s-arm64 of a k3s release too, with
  --k3s-sums FILE          its sha256sum-arm64.txt and
  --k3s-version TAG        its tag, such as v1.34.1+k3s1
  --server-name NAME=ADDR  dnsmasq tells boards this name; repeatable
  --cmdline WORDS          more words for the kernel command line; of a word
                           that is given twice, the last one counts; muster
                           checks the settings among them
  --check-with FILE        a muster that runs on this machine, for that check
                           (default: as for genapkovl-muster.sh)
  --proxy-dhcp             for a network that keeps its own DHCP server
  --output DIR             write there (default: netboot-tree); a tree that
                           this tool made is replaced, all else is refused
  --help                   this text
E
}

die() {
	echo "netboot-tree.sh: $*" >&2
	exit 2
}

readable() { # OPTION FILE
	[ -f "$2" ] || die "$1: no such file: $2"
	[ -r "$2" ] || die "$1: may not read $2"
}

# ---- what is asked for

alpine='' overlay='' interface='' network='' repository='' grub='' flavor='' k3s='' k3s_sums='' k3s_version='' cmdline='' check_with='' proxy=''
output=netboot-tree
names='' # NAME,ADDR words

is_ipv4() {
	case $1 in *[!0-9.]*) return 1 ;; esac
	printf '%s\n' "$1" | awk -F. 'NF != 4 { exit 1 } { for (i = 1; i <= 4; i++) if ($i == "" || $i > 255) exit 1 }'
}

while [ $# -gt 0 ]; do
	case $1 in
		--help | -h) usage; exit 0 ;;
		--proxy-dhcp) proxy=yes; shift; continue ;;
		--alpine | --overlay | --interface | --address | --repository | --grub | --flavor | --k3s | --k3s-sums | --k3s-version | \
			--server-name | --cmdline | --check-with | --output)
			[ $# -ge 2 ] || die "$1 wants a value (see --help)" ;;
		*) die "unknown option $1 (see --help)" ;;
	esac
	case $1 in
		--alpine)
			[ -e "$2" ] || die "--alpine: no such file or folder: $2"
			alpine=$2 ;;
		--overlay) readable "$1" "$2"; overlay=$2 ;;
		--interface)
			case $2 in '' | *[!A-Za-z0-9_.:-]*) die "--interface: '$2' is no interface's name" ;; esac
			interface=$2 ;;
		--address)
			case $2 in */*) ;; *) die "--address: '$2' lacks the prefix length, as in 10.11.0.1/24" ;; esac
			is_ipv4 "${2%%/*}" || die "--address: '${2%%/*}' is no IPv4 address"
			case ${2#*/} in 8 | 9 | 1[0-9] | 2[0-9]) ;; *) die "--address: the prefix length must be 8 to 29, not '${2#*/}'" ;; esac
			network=$2 ;;
		--repository)
			case $2 in *[!A-Za-z0-9_.:/,%@~+=-]*) die "--repository: '$2' is no URL" ;; esac
			for url in $(printf '%s' "$2" | tr , ' ') "${2##*,}"; do
				case $url in http://?* | https://?*) ;; *) die "--repository: '$url' begins with neither http:// nor https://" ;; esac
			done
			repository=$2 ;;
		--grub)
			readable "$1" "$2"
			[ "$(head -c 2 "$2")" = MZ ] || die "--grub: $2 is no EFI program, which begins with MZ: give GRUB's grubnetaa64.efi"
			grub=$2 ;;
		--flavor) flavor=$2 ;;
		--k3s) readable "$1" "$2"; k3s=$2 ;;
		--k3s-sums) readable "$1" "$2"; k3s_sums=$2 ;;
		--k3s-version)
			case $2 in
				*[!A-Za-z0-9.+-]*) die "--k3s-version: '$2' is no tag" ;;
				v[0-9]*+k3s[0-9]*) ;;
				*) die "--k3s-version: '$2' is no k3s release tag, such as v1.34.1+k3s1" ;;
			esac
			k3s_version=$2 ;;
		--server-name)
			case $2 in ?*=?*) ;; *) die "--server-name: '$2' is not NAME=ADDR" ;; esac
			case ${2%%=*} in *[!A-Za-z0-9.-]* | .* | -*) die "--server-name: '${2%%=*}' is no host name" ;; esac
			is_ipv4 "${2#*=}" || die "--server-name: '${2#*=}' is no IPv4 address"
			names="$names ${2%%=*},${2#*=}" ;;
		--cmdline)
			case $2 in
				*[\'\"\\]*) die "--cmdline: a word cannot hold any of ' \" \\" ;;
				*K3S_TOKEN=*) die "--cmdline: every pod can read the kernel command line: put the token into the overlay" ;;
			esac
			[ "$(printf '%s' "$2" | tr -d '\n')" = "$2" ] || die "--cmdline: the kernel command line is one line"
			cmdline=$2 ;;
		--check-with) readable "$1" "$2"; check_with=$2 ;;
		--output) output=$2 ;;
	esac
	shift 2
done

[ -n "$alpine" ] || die "--alpine is required (see --help)"
[ -n "$overlay" ] || die "--overlay is required (see --help)"
[ -n "$interface" ] || die "--interface is required (see --help)"
[ -n "$network" ] || die "--address is required (see --help)"
case ${k3s:+x}${k3s_sums:+x}${k3s_version:+x} in '' | xxx) ;; *) die "--k3s, --k3s-sums and --k3s-version go together" ;; esac
[ -z "$proxy" ] || [ -z "$names" ] || die "--server-name: with --proxy-dhcp the network's own DNS must know the name"
[ -d "$(dirname "$output")" ] || die "--output: no such folder: $(dirname "$output")"
output=$(cd "$(dirname "$output")" && pwd)/$(basename "$output")
marker=.netboot-tree
[ ! -e "$output" ] || [ -f "$output/$marker" ] || die "--output: $output exists, and this tool did not make it"

# The DHCP range is 50 to 250 of 256, on a larger or smaller network the same part of it.
address=${network%/*}
range=$(printf '%s\n' "$network" | awk -F'[./]' '
	function dotted(n) { return int(n / 16777216) "." int(n / 65536) % 256 "." int(n / 256) % 256 "." n % 256 }
	{
		for (size = 1; bits < 32 - $5; bits++) size *= 2 # BusyBox may lack the ^ operator
		host = ($1 * 16777216 + $2 * 65536 + $3 * 256 + $4) % size
		base = $1 * 16777216 + $2 * 65536 + $3 * 256 + $4 - host
		first = int(size * 50 / 256); if (first < 1) first = 1
		last = int(size * 250 / 256); if (last > size - 2) last = size - 2
		if (host > 0 && host < size - 1) print dotted(base), dotted(base + first), dotted(base + last)
	}')
[ -n "$range" ] || die "--address: $network is the address of the whole network or its broadcast address"
base=${range%% *} last=${range##* }
first=${range#* } first=${first% *}

# ---- the release

stage=$(mktemp -d "$(dirname "$output")/.netboot-tree.XXXXXX")
finish() {
	# An end between the two renames below leaves no OUTPUT: the tree of before comes back.
	[ ! -e "$stage/old" ] || [ -e "$output" ] || mv "$stage/old" "$output"
	rm -rf "$stage"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
tree=$stage/tree
mkdir "$tree" "$stage/release" "$stage/overlay"

release=$alpine
if [ ! -d "$alpine" ]; then
	readable --alpine "$alpine"
	release=$stage/release
	(cd "$release" && tar -xozf -) <"$alpine" 2>/dev/null || die "--alpine: $alpine is no whole tar.gz archive"
fi
flavors=''
for file in "$release"/boot/vmlinuz-*; do
	[ ! -f "$file" ] || flavors="$flavors ${file##*/vmlinuz-}"
done
[ -n "$flavors" ] || die "--alpine: $alpine is neither an rpi nor a netboot release: it has no boot/vmlinuz-*"
if [ -z "$flavor" ]; then
	case "$flavors " in
		*' lts '*) flavor=lts ;;
		' '*' '*' ') die "--flavor is required: $alpine has several kernels:$flavors" ;;
		*) flavor=${flavors# } ;;
	esac
fi
case "$flavors " in *" $flavor "*) ;; *) die "--flavor: $alpine has no kernel '$flavor', but:$flavors" ;; esac
need() { # PATH
	[ -f "$release/$1" ] || die "--alpine: $alpine lacks $1"
}
need "boot/initramfs-$flavor"
need "boot/modloop-$flavor"
if [ -z "$repository" ]; then
	[ -d "$release/apks" ] || die "--repository is required: $alpine has no packages (apks/)"
	need apks/aarch64/APKINDEX.tar.gz # what a release for another architecture lacks
fi

if [ -f "$release/config.txt" ]; then
	kind=rpi
	[ -z "$grub" ] || die "--grub: $alpine is an rpi release: a Raspberry Pi boots without GRUB"
else
	kind=netboot
	[ -n "$grub" ] || die "--grub is required: $alpine is a netboot release, and UEFI loads GRUB first"
fi

# ---- the overlay

tar -tzf - <"$overlay" >"$stage/list" 2>/dev/null || die "--overlay: $overlay is no whole tar.gz archive"
for path in usr/sbin/muster etc/apk/arch etc/apk/world etc/conf.d/muster; do
	grep -qx "$path" "$stage/list" || die "--overlay: $overlay is not from genapkovl-muster.sh: it has no $path"
done
# For the check of --cmdline all of it is unpacked, since the settings may name any file.
set -- etc/apk/arch etc/apk/world etc/conf.d/muster
[ -z "$cmdline" ] || set --
(cd "$stage/overlay" && tar -xozf - "$@") <"$overlay"
# What its owner may not change could be neither read nor deleted. The check looks at the modes of other users alone.
chmod -R u+rwX "$stage/overlay"
arch=$(cat "$stage/overlay/etc/apk/arch")
[ "$arch" = aarch64 ] || die "--overlay: $overlay is for $arch, not for aarch64"
if [ -z "$repository" ]; then
	# One package that is missing makes `apk add` install none, and then the board has no /sbin/init.
	missing=''
	# shellcheck disable=SC2013  # words, not lines
	for package in $(sed 's/[=<>~@][^ ]*//g' "$stage/overlay/etc/apk/world"); do
		case $package in !* | *:*) continue ;; esac # a conflict; something that packages provide
		set -- "$release/apks/aarch64/$package"-[0-9]*.apk
		[ -f "$1" ] || missing="$missing $package"
	done
	[ -z "$missing" ] ||
		die "--overlay: the release lacks packages that the overlay installs:$missing; name a mirror with --repository"
fi

# As on a board, the kernel command line overrides the settings file, and the later of two words counts.
if [ -n "$cmdline" ]; then
	mkdir -p "$stage/overlay/proc"
	echo "$cmdline" >"$stage/overlay/proc/cmdline"
	# shellcheck source=/dev/null
	. "$here/check.sh"
	if find_muster "$check_with" "$stage/overlay/usr/sbin/muster" qemu-aarch64 "${CARGO_TARGET_DIR:-$(dirname "$here")/target}"; then
		check_tree 'this overlay with --cmdline' "$stage/overlay"
	else
		echo "netboot-tree.sh: warning: --cmdline was not checked, because no muster runs on this machine: build one with" \
			"\`make amd64\`, install qemu-user, or name one with --check-with" >&2
	fi
fi
# The server's host, where it is a name and not an address.
server=$({
	cat "$stage/overlay/etc/conf.d/muster" 2>/dev/null || :
	printf '%s\n' "$cmdline" | tr ' ' '\n'
} | sed -n "s,^K3S_URL=[\"']*https://\([^/\"' ]*\).*,\1,p" | tail -n 1)
case ${server%%:*} in
	\[*) server='' ;;
	*[!0-9.]*) server=${server%%:*} ;;
	*) server='' ;;
esac
case "$names " in *" $server,"*) server='' ;; esac

# ---- k3s

digest() { # FILE: its SHA-256, by whatever tool this system has
	if command -v sha256sum >/dev/null; then sha256sum
	elif command -v shasum >/dev/null; then shasum -a 256
	elif command -v sha256 >/dev/null; then sha256
	else openssl dgst -sha256 -r
	fi <"$1" | cut -c1-64
}

if [ -n "$k3s" ]; then
	wanted=$(awk '{ sub(/^\*/, "", $2) } $2 == "k3s-arm64" { print $1 }' "$k3s_sums")
	[ -n "$wanted" ] || die "--k3s-sums: $k3s_sums has no line for k3s-arm64"
	k3s_digest=$(digest "$k3s")
	[ "$k3s_digest" = "$wanted" ] || die "--k3s: $k3s has the SHA-256 '$k3s_digest', but $k3s_sums says $wanted"
fi

# ---- the tree

put() { # FILE PATH
	mkdir -p "$tree/${2%/*}"
	cp "$1" "$tree/$2"
}

put "$release/boot/vmlinuz-$flavor" "tftp/boot/vmlinuz-$flavor"
put "$release/boot/initramfs-$flavor" "tftp/boot/initramfs-$flavor"
put "$release/boot/modloop-$flavor" "http/boot/modloop-$flavor"
put "$overlay" http/worker.apkovl.tar.gz
if [ -z "$repository" ]; then
	repository=http://$address/alpine # apk adds the architecture
	mkdir -p "$tree/http/alpine"
	cp -R -L "$release/apks/aarch64" "$tree/http/alpine/"
fi
if [ -n "$k3s" ]; then
	put "$k3s" "http/k3s/$k3s_version/k3s-arm64"
	put "$k3s_sums" "http/k3s/$k3s_version/sha256sum-arm64.txt"
fi
words="modules=loop,squashfs ip=dhcp alpine_repo=$repository modloop=http://$address/boot/modloop-$flavor"
words="$words apkovl=http://$address/worker.apkovl.tar.gz"
# The last console is the one on which OpenRC speaks: the serial one, since most boards have no screen.
if [ "$kind" = rpi ]; then
	# Raspberry Pi 5 needs no start*.elf, all others do.
	for pattern in bootcode.bin 'start*.elf' 'fixup*.dat' '*.dtb'; do
		# shellcheck disable=SC2086  # the pattern is to be expanded
		(cd "$release" && ls -d $pattern) >"$stage/files" 2>/dev/null || die "--alpine: $alpine lacks $pattern"
		while IFS= read -r file; do put "$release/$file" "tftp/$file"; done <"$stage/files"
	done
	put "$release/config.txt" tftp/config.txt
	[ ! -d "$release/overlays" ] || cp -R -L "$release/overlays" "$tree/tftp/"
	# Alpine's config.txt includes usercfg.txt. Without enable_uart most boards have no serial console.
	{
		[ ! -f "$release/usercfg.txt" ] || cat "$release/usercfg.txt"
		echo enable_uart=1
	} >"$tree/tftp/usercfg.txt"
	# The firmware turns serial0 into the board's own name for it. It also turns the memory cgroup off, which k3s needs.
	echo "console=tty1 console=serial0,115200 $words cgroup_memory=1 cgroup_enable=memory${cmdline:+ $cmdline}" >"$tree/tftp/cmdline.txt"
else
	put "$grub" tftp/grubnetaa64.efi
	mkdir "$tree/tftp/grub"
	quoted=''
	set -f # a word may hold a * or ?
	for word in $cmdline; do quoted="$quoted '$word'"; done
	set +f
	cat >"$tree/tftp/grub/grub.cfg" <<E
# Written by netboot-tree.sh. GRUB's network binary asks for this file over TFTP.
set timeout=0
echo muster: grub.cfg over TFTP for \$net_default_mac
linux (tftp)/boot/vmlinuz-$flavor console=tty0 console=ttyAMA0,115200 $words BOOTIF=01-\$net_default_mac$quoted
initrd (tftp)/boot/initramfs-$flavor
boot
# Reached only when a file could not be loaded. Nobody is there to type at a prompt: start again.
sleep 10
reboot
E
fi

# ---- dnsmasq.conf

boards="tftp-root=$output/tftp
# A Raspberry Pi's boot loader looks for this text in the offer, then asks for its own files by name.
pxe-service=0,\"Raspberry Pi Boot\"
# Boards with UEFI load GRUB."
if [ -n "$proxy" ]; then
	cat >"$tree/dnsmasq.conf" <<E
# Where to boot from, for the boards on $interface. The network's own DHCP server gives addresses, DNS and time.
interface=$interface
bind-dynamic
port=0
dhcp-range=$base,proxy

enable-tftp
$boards
pxe-service=ARM64_EFI,"GRUB",grubnetaa64.efi
E
else
	{
		cat <<E
# DHCP, TFTP and DNS for the boards' network, on the machine that has $address there.
interface=$interface
bind-dynamic
dhcp-range=$first,$last,12h
# Boards have no clock: this machine (0.0.0.0 means itself) runs a time server too.
dhcp-option=option:ntp-server,0.0.0.0
E
		[ -z "$names" ] || echo "# Names for the boards. With \`local\`, other questions about them (AAAA) are not forwarded: a failure there fails the lookup."
		for name in $names; do printf 'host-record=%s\nlocal=/%s/\n' "$name" "${name%,*}"; done
		cat <<E

enable-tftp
$boards
dhcp-match=set:uefi,option:client-arch,11
dhcp-boot=tag:uefi,grubnetaa64.efi
E
	} >"$tree/dnsmasq.conf"
fi

# ---- in its place

echo "Made by netboot-tree.sh, which replaces this folder when it runs again." >"$tree/$marker"
# dnsmasq and the web server run as users of their own: all is readable, whatever the modes of the input are.
find "$tree" -type d -exec chmod 0755 {} +
find "$tree" -type f -exec chmod 0644 {} +
start=start
if [ -e "$output" ]; then
	start=restart # a server may still have the replaced folder open
	mv "$output" "$stage/old"
fi
mv "$tree" "$output"

echo "$output: $kind release, kernel $flavor. Next, on the machine that has $address on $interface, $start:"
echo "  dnsmasq --keep-in-foreground --conf-file=$output/dnsmasq.conf"
echo "  busybox httpd -f -p $address:80 -h $output/http   (or another web server)"
if [ -n "$proxy" ]; then
	echo "  and have the boards told a time server: by DHCP option 42, or by MUSTER_NTP in the overlay"
else
	echo "  chronyd with 'allow $base/${network#*/}' in its configuration: boards have no clock"
fi
if [ -n "$server" ] && [ -n "$proxy" ]; then
	echo "The network's own DNS must know $server, the server of the overlay."
elif [ -n "$server" ]; then
	echo "dnsmasq asks this machine's DNS for $server, the server of the overlay. If that does not know it: --server-name $server=ADDR"
fi
[ -z "$k3s" ] ||
	echo "For k3s: copy $output/http/k3s/$k3s_version to server/static/k3s/ in the k3s server's data folder, or set in the overlay" \
		"MUSTER_MIRRORS=http://$address/k3s INSTALL_K3S_VERSION=$k3s_version MUSTER_K3S_SHA256=$k3s_digest"
! grep -qx etc/muster/token "$stage/list" ||
	echo "Whoever reaches the web server can read http/worker.apkovl.tar.gz, and the join token in it."
echo "Then power the boards on."
