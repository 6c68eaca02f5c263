#!/bin/sh
# Becomes a board's first process. It runs in namespaces of its own for network, mounts, PIDs and the hostname, and builds what Alpine's
# initramfs leaves behind: a root on tmpfs, with the overlay in it. Arguments: the folder of the board, its overlay's
# archive, the size of its root.
set -eu
board=$1 archive=$2 size=$3
root=$board/root

mount --make-rprivate /
mkdir -p "$root"
mount -t tmpfs -o "size=$size,mode=755" tmpfs "$root"
cd "$root"
mkdir -p bin sbin usr/bin usr/sbin usr/local/bin usr/share/udhcpc etc/conf.d etc/muster proc sys dev run tmp var/log old
cp "$(command -v busybox)" bin/busybox
chroot . /bin/busybox --install -s
cp /etc/udhcpc/default.script usr/share/udhcpc/default.script
tar -xzf "$archive"
printf '127.0.0.1\tlocalhost\n' >etc/hosts
hostname localhost

mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
# This machine's cgroup v2 offers few controllers, the others being taken by v1: a board's kernel offers all of them.
mount -t cgroup2 cgroup2 sys/fs/cgroup
for file in cgroup.controllers cgroup.subtree_control; do
	echo 'cpuset cpu io memory pids' >"run/$file"
	mount --bind "run/$file" "sys/fs/cgroup/$file"
done

pivot_root . old
umount -l /old
rmdir /old
echo powered on
# The first process has nothing to do but to take in the orphans.
exec /bin/busybox sh -c 'trap : TERM; while :; do sleep 3600 & wait $!; done'
