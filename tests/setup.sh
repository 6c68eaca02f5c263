#!/bin/sh
# Installs what building and testing need, on Debian or Ubuntu; does nothing where all of it is there.
# The one list of what the project needs of a machine.
set -eu

packages='
	ca-certificates
	gcc libc6-dev
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	iproute2 util-linux procps nftables strace tcpdump
	busybox-static udhcpc dnsmasq-base nginx-light openssl curl rsyslog
	qemu-user-static
	qemu-utils e2fsprogs squashfs-tools
	python3-pip
	shellcheck mandoc valgrind
'
missing=
for package in $packages; do
	case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*' installed') ;;
		*) missing="$missing $package" ;;
	esac
done

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
	echo "setup: installing$*"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq update
	# shellcheck disable=SC2068  # a list of names
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq -y --no-install-recommends install $@ >/dev/null
}

[ -z "$missing" ] || apt_install "$missing"

if ! command -v cargo >/dev/null; then
	# `apt-cache show` exits with 0 for a package that other packages only mention.
	if ! apt-cache policy rustup | grep -q '^  Candidate: [0-9]'; then
		echo "setup: Rust is missing, and this release has no package for rustup: install it from https://rustup.rs, then run this again" >&2
		exit 1
	fi
	apt_install ' rustup'
	rustup toolchain install stable --profile minimal
fi

targets='aarch64-unknown-linux-musl x86_64-unknown-linux-musl'
# Where Rust does not come by rustup, cargo itself says which target it lacks.
if command -v rustup >/dev/null; then
	for target in $targets; do
		rustup target list --installed | grep -qx "$target" || rustup -q target add "$target"
	done
	for component in rustfmt clippy; do
		rustup component list --installed | grep -q "^$component" || rustup -q component add "$component"
	done
fi
