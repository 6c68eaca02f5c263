#!/usr/bin/env bash
# image.sh - builds the guest of the power-on lab from Debian packages alone, without touching this machine: everything
# lands in $BOOT_CACHE (default: target/boot below the project). A second run does nothing unless this folder's files changed.
#
#   host/       QEMU, UEFI firmware, dnsmasq, chrony, busybox for this machine, with their own libc (see run-host)
#   Image initramfs.gz     kernel and initramfs, in Alpine's manner
#   tftp/       what the boards load by PXE: GRUB, kernel, initramfs
#
# The guest is Debian trixie's arm64 kernel, BusyBox and OpenRC: of Alpine 3.21's age. Debian ships OpenRC without its boot
# services: guest/init.d has them, with the names and the dependencies that they have on Alpine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${BOOT_CACHE:-$here/../../target/boot}
release=trixie
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

host_packages="qemu-system-arm busybox-static dnsmasq-base chrony"
guest_packages="openrc librc1t64 libeinfo1 libc6 libpam0g libaudit1 libcap-ng0 libcap2 libselinux1 libpcre2-8-0 dash
  busybox-static ifupdown-ng libbsd0 libmd0 grub-efi-arm64-signed"
# What the initramfs needs for its devices, and what muster and k3s load later, from the modloop.
initramfs_modules="virtio_pci virtio_net virtio_console virtio_rng af_packet"
modloop_modules="overlay br_netfilter nf_conntrack vxlan iptable_nat iptable_filter"

stamp=$(cd "$here" && cat image.sh guest/init guest/inittab guest/grub.cfg guest/init.d/* | sha256sum)
if [[ -f $cache/stamp && $(<"$cache/stamp") == "$stamp" ]]; then exit 0; fi
exec 9>"$cache/lock"
flock 9
if [[ -f $cache/stamp && $(<"$cache/stamp") == "$stamp" ]]; then exit 0; fi
rm -f "$cache/stamp"
say() { printf 'image: %3ds %s\n' "$SECONDS" "$*"; }

# ---- packages: a private apt, for both architectures, with this machine's mirror and keyring

apt=$cache/apt
mkdir -p "$apt"/{etc/apt.conf.d,etc/preferences.d,state/lists/partial,cache/archives/partial} "$cache/debs"
# shellcheck disable=SC2016 # apt replaces it
# shellcheck disable=SC2016  # apt's own variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | awk '!/security|backports/ { print; exit }')
[[ $mirror ]] || { echo "image.sh: this machine's apt has no Debian mirror" >&2; exit 1; }
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
kernel=$(apt-cache depends linux-image-cloud-arm64:arm64 | sed -n 's/^ *Depends: linux-image-\([^:]*\).*/\1/p')
[[ $kernel ]] || { echo "image.sh: no arm64 kernel in $release" >&2; exit 1; }
# With an empty package database, apt's plan is the whole closure.
# shellcheck disable=SC2086
closure=$(apt-get install -s --no-install-recommends $host_packages | awk '/^Inst/ { print $2 }')
cd "$cache/debs"
rm -f ./*.deb
# shellcheck disable=SC2046,SC2086
apt-get download -qq $closure qemu-efi-aarch64 udhcpc $(printf '%s:arm64 ' $guest_packages "linux-image-$kernel-unsigned")
say "$(find . -name '*.deb' | wc -l) packages, $(du -sm . | cut -f1) MB"
unset APT_CONFIG

rm -rf "$cache/host" "$cache/guest"
mkdir -p "$cache/host" "$cache/guest"
for deb in *_arm64.deb; do dpkg-deb -x "$deb" "$cache/guest"; done
for deb in *.deb; do [[ $deb == *_arm64.deb ]] || dpkg-deb -x "$deb" "$cache/host"; done
rm -f "$cache"/host/usr/share/AAVMF/*.{ms,snakeoil}.fd # 64 MB each
busybox=$cache/host/usr/bin/busybox
# Programs of host/ run with host/'s own libc, whatever Debian this is.
cat >"$cache/run-host" <<'E'
#!/bin/sh
# run-host PROGRAM ARGS...: a program of host/
host=$(dirname "$0")/host
lib=$host/usr/lib/x86_64-linux-gnu
program=$host/usr/bin/$1
[ -e "$program" ] || program=$host/usr/sbin/$1
shift
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$program" "$@"
E
chmod 755 "$cache/run-host"
say "unpacked"

# ---- the base system: what `apk add alpine-base` puts on a diskless root

cd "$cache"
rm -rf base initramfs
mkdir -p base
cd base
mkdir -p usr/{bin,sbin,lib,share/udhcpc} etc/{init.d,conf.d,network/if-{pre-up,up,pre-down,down}.d,runlevels/{sysinit,boot,default,shutdown}} \
  dev proc sys run root var/{log,lib/misc,cache,empty} home media mnt .modloop/modules etc/modules-load.d
mkdir -p tmp var/tmp
chmod 1777 tmp var/tmp
chmod 700 root
ln -s usr/bin usr/sbin usr/lib .
ln -s ../run var/run
ln -s ../run/lock var/lock
guest=$cache/guest
# OpenRC's programs and libraries, and the few others; docs and Debian's own SysV glue stay behind.
cp -a "$guest"/usr/{bin,sbin} usr/
rm -f usr/sbin/{invoke-rc.d,update-rc.d,service}
mkdir -p usr/lib/aarch64-linux-gnu usr/libexec
cp -a "$guest"/usr/lib/aarch64-linux-gnu/*.so* usr/lib/aarch64-linux-gnu/
cp -a "$guest"/usr/lib/{rc,ld-linux-aarch64.so.1} usr/lib/
cp -a "$guest"/usr/libexec/ifupdown-ng usr/libexec/
cp -a "$guest"/etc/rc.conf etc/
ln -sf dash usr/bin/sh # Debian's busybox ash prefers its own applets over ifup and start-stop-daemon
# Debian's OpenRC asks this for LSB headers at every service; no service here has any.
printf '#!/bin/sh\n' >usr/lib/rc/bin/lsb2rcconf
chmod 755 usr/lib/rc/bin/lsb2rcconf
"$busybox" --list-full | while read -r applet; do
  path=usr/bin/${applet##*/}
  [[ $applet != *sbin/* ]] || path=usr/sbin/${applet##*/}
  if [[ ! -e usr/bin/${applet##*/} && ! -e usr/sbin/${applet##*/} ]]; then ln -s /usr/bin/busybox "$path"; fi
done
cp "$cache/host/etc/udhcpc/default.script" usr/share/udhcpc/default.script
cp "$guest"/etc/init.d/{cgroups,savecache} etc/init.d/
cp "$here"/guest/init.d/* etc/init.d/
chmod 755 etc/init.d/*
cp "$here/guest/inittab" etc/inittab
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >etc/passwd
printf 'root:::0:::::\n' >etc/shadow # as on Alpine's image: no password at the console
chmod 640 etc/shadow
printf 'root:x:0:\ntty:x:5:\nwheel:x:10:\nuucp:x:14:\nutmp:x:43:\nshadow:x:42:\nnogroup:x:65534:\n' >etc/group
printf '127.0.0.1\tlocalhost\n' >etc/hosts
printf 'localhost\n' >etc/hostname
printf '/bin/sh\n' >etc/shells
printf 'hosts: files dns\npasswd: files\ngroup: files\n' >etc/nsswitch.conf
printf 'rc_tty_number=12\nrc_logger="NO"\n' >>etc/rc.conf
printf 'SYSLOGD_OPTS="-t"\n' >etc/conf.d/syslog
: >etc/fstab

# ---- kernel, initramfs, modloop

cd "$cache"
cp "$guest"/boot/vmlinuz-* Image
"$busybox" depmod -b "$guest/usr" "$kernel" 2>/dev/null || "$busybox" depmod -b "$guest" "$kernel"
modules=$guest/usr/lib/modules/$kernel
with_needs() { # MODULE: its file and those it needs, relative to the modules folder
  local name=${1//-/_} line
  line=$(awk -F: -v m="$name" '{ n = $1; sub(/.*\//, "", n); sub(/\.ko.*/, "", n); gsub(/-/, "_", n); if (n == m) { print $1, $2 } }' \
    "$modules/modules.dep")
  [[ $line ]] || grep -q "/${1//_/[-_]}\.ko" "$modules/modules.builtin" || { echo "image.sh: no module $1" >&2; return 1; }
  # shellcheck disable=SC2086
  [[ -z $line ]] || printf '%s\n' $line
}
put_modules() { # ROOT MODULE...: unpacked, BusyBox's modprobe reads no xz
  local root=$1 name file
  shift
  for name; do with_needs "$name"; done | sort -u | while read -r file; do
    mkdir -p "$root/lib/modules/$kernel/$(dirname "$file")"
    case $file in
      *.xz) "$busybox" unxz -c "$modules/$file" >"$root/lib/modules/$kernel/${file%.xz}" ;;
      *) cp "$modules/$file" "$root/lib/modules/$kernel/$file" ;;
    esac
  done
  cp "$modules"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$kernel/"
  "$busybox" depmod -b "$root" "$kernel"
}
mkdir -p initramfs/{usr/{bin,sbin,lib,share/udhcpc},dev,proc,sys,sysroot,tmp,etc,run}
ln -s usr/bin usr/sbin usr/lib initramfs/
cp "$guest/usr/bin/busybox" initramfs/usr/bin/
ln -s busybox initramfs/usr/bin/sh
cp base/usr/share/udhcpc/default.script initramfs/usr/share/udhcpc/
# shellcheck disable=SC2086
put_modules "$cache/initramfs" $initramfs_modules
rm -rf modloop
mkdir -p modloop/lib
# shellcheck disable=SC2086
put_modules "$cache/modloop" $initramfs_modules $modloop_modules
mv "modloop/lib/modules/$kernel" base/.modloop/modules/
cp guest/usr/share/doc/linux-image-*/copyright initramfs/ 2>/dev/null || :
tar -C base --owner=0 --group=0 --sort=name -cf initramfs/base.tar .
cp "$here/guest/init" initramfs/init
chmod 755 initramfs/init
(cd initramfs && find . | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null | gzip -1 -n >"$cache/initramfs.gz")
say "initramfs: $(du -m initramfs.gz | cut -f1) MB; root: $(du -sm base | cut -f1) MB; kernel $kernel: $(du -m Image | cut -f1) MB"

# ---- what dnsmasq serves by TFTP

rm -rf tftp
mkdir -p tftp/grub
ln initramfs.gz tftp/
gzip -6 -n -c Image >tftp/Image # GRUB unpacks it, in less time than TFTP takes for the rest
cp guest/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed tftp/grubnetaa64.efi
cp "$here/guest/grub.cfg" tftp/grub/grub.cfg
rm -rf initramfs modloop
printf '%s' "$stamp" >stamp
say "done"
