#!/usr/bin/env bash
# Unpacks the programs that the labs run on this machine and that it should not have installed for that: QEMU, which many
# machines have in another version or not at all, and a time server, which would become the machine's own.
#
#   run-host PROGRAM ARGS...                                  runs one of them
#   usr/share/qemu-efi-aarch64/QEMU_EFI.fd                    the boards' UEFI firmware
#   usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed      what that firmware loads over the network
#
# Usage: build.sh [OUTPUT]       (default: $LABS_CACHE/host; LABS_CACHE: target/labs below the project)
# They are Debian trixie's packages, from this machine's mirror, by an apt of their own: this machine's packages stay as they
# are. A second run with the same script does nothing; a run waits for another one that is under way.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
release=trixie
packages="qemu-system-arm chrony" # with all that they depend on
data="qemu-efi-aarch64 grub-efi-arm64-signed:arm64" # no programs of this machine, so without what they depend on

cache=${LABS_CACHE:-$here/../../../target/labs}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
output=${1:-$cache/host}
case $output in /*) ;; *) output=$PWD/$output ;; esac

die() {
	echo "host: $*" >&2
	exit 1
}

say() {
	printf 'host: %3ds %s\n' "$SECONDS" "$*"
}

stamp=$(sha256sum <"$here/build.sh")
is_built() {
	[[ -f $output/.stamp && $(<"$output/.stamp") == "$stamp" ]]
}
if is_built; then exit 0; fi
exec 9>"$cache/host.lock"
flock 9
if is_built; then exit 0; fi
[[ $(uname -m) == x86_64 ]] || die "the labs' programs are for x86-64; this machine is $(uname -m)"

work=$cache/host.work
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

# ---- packages: a private apt, with this machine's mirror and keyring

apt=$work/apt
mkdir -p "$apt"/{etc/apt.conf.d,etc/preferences.d,state/lists/partial,cache/archives/partial} "$work/debs"
# shellcheck disable=SC2016  # apt's own variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | awk '!/security|backports/ { print; exit }')
[[ $mirror ]] || die "this machine's apt has no Debian mirror"
cat >"$apt/etc/debian.sources" <<E
Types: deb
URIs: $mirror
Suites: $release
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
E
cat >"$apt/apt.conf" <<E
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
Dir::Etc "$apt/etc";
Dir::Etc::SourceList "$apt/etc/debian.sources";
Dir::Etc::SourceParts "/nonexistent";
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
E
: >"$apt/state/status"
export APT_CONFIG=$apt/apt.conf
apt-get update -qq
say "package lists of $release"
# With an empty package database, apt's plan is all that the packages depend on.
# shellcheck disable=SC2086
closure=$(apt-get install -s --no-install-recommends $packages | awk '/^Inst/ { print $2 }')
# shellcheck disable=SC2086
(cd "$work/debs" && apt-get download -qq $closure $data)
unset APT_CONFIG
say "$(find "$work/debs" -name '*.deb' | wc -l) packages, $(du -sm "$work/debs" | cut -f1) MB"

# ---- unpacked, not installed

new=$work/output
mkdir -p "$new"
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$new"; done
rm -rf "$new"/usr/share/{AAVMF,doc,icons,locale,man}
# Whatever Debian this is: they run with the libraries that they were built for.
cat >"$new/run-host" <<'E'
#!/bin/sh
# run-host PROGRAM ARGS...: a program of this folder
host=$(cd "$(dirname "$0")" && pwd)
lib=$host/usr/lib/x86_64-linux-gnu
program=$host/usr/bin/$1
[ -e "$program" ] || program=$host/usr/sbin/$1
shift
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$program" "$@"
E
chmod 755 "$new/run-host"
for part in usr/bin/qemu-system-aarch64 usr/sbin/chronyd usr/share/qemu-efi-aarch64/QEMU_EFI.fd \
	usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed; do
	[[ -s $new/$part ]] || die "$release's packages have no $part"
done
"$new/run-host" qemu-system-aarch64 --version >"$work/version" || die "QEMU does not run"
printf '%s' "$stamp" >"$new/.stamp"
rm -rf "$output"
mkdir -p "$(dirname "$output")"
mv "$new" "$output"
say "done: $(head -1 "$work/version"), $(du -sm "$output" | cut -f1) MB in $output"
