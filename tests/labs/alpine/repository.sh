# shellcheck shell=bash disable=SC2154  # build.sh sets the variables
# Sourced by build.sh: makes a signed package repository from an installed root. Alpine's packages cannot be had, but an
# installed root has all that was in them: the files, what apk's database says of each package, and its scripts. Alpine's
# own `apk mkpkg` and `apk mkndx` make packages and an index of it again. Uses $root and $native.

# The database's letters, and what mkpkg calls them. Left out: what only concerns downloads and updates (C, S, I, q).
declare -A info=([P]=name [V]=version [A]=arch [T]=description [U]=url [L]=license [o]=origin [m]=maintainer [t]=build-time
	[c]=repo-commit [k]=provider-priority [D]=depends [p]=provides [r]=replaces [i]=install-if)

make_repository() { # DIRECTORY
	local line folder='' checksum='' release
	local -a names
	local -A field=()
	mkdir -p "$native"/build/{scripts,apks}
	tar -C "$native/build/scripts" -xf "$root/lib/apk/db/scripts.tar.gz"
	: >"$native/build/files"
	while IFS= read -r line; do
		case $line in
			'')
				make_package
				field=() checksum='' folder=''
				: >"$native/build/files"
				;;
			C:*) checksum=${line#C:} ;;
			F:*)
				folder=${line#F:}
				[[ -z $folder ]] || printf '%s\n' "$folder" >>"$native/build/files"
				;;
			R:*) printf '%s\n' "${folder:+$folder/}${line#R:}" >>"$native/build/files" ;;
			*) field[${line%%:*}]=${line#*:} ;;
		esac
	done <"$root/lib/apk/db/installed"

	# The two that the image lacks.
	checksum=''
	install -D -m 755 -t "$root/etc/init.d" "$here/mdev.initd"
	mv "$root/etc/init.d/mdev.initd" "$root/etc/init.d/mdev"
	touch -d "@$SOURCE_DATE_EPOCH" "$root/etc/init.d/mdev"
	printf '%s\n' etc etc/init.d etc/init.d/mdev >"$native/build/files"
	release=$(version_of busybox)
	field=([P]=busybox-mdev-openrc [V]=$release [A]=aarch64 [T]="OpenRC service of busybox mdev" [L]=MIT [o]=busybox
		[i]="busybox=$release openrc")
	make_package
	: >"$native/build/files"
	field=([P]=alpine-base [V]=$(version_of alpine-release) [A]=aarch64 [T]="Meta package for minimal alpine base" [L]=MIT
		[o]=alpine-base [D]="alpine-baselayout alpine-release apk-tools busybox busybox-mdev-openrc busybox-openrc musl-utils openrc")
	make_package

	names=("$native"/build/apks/*.apk)
	chroot "$native" /sbin/apk mkndx -q --allow-untrusted --sign-key /key.pem --output /build/apks/APKINDEX.tar.gz \
		"${names[@]#"$native"}"
	mv "$native"/build/apks/* "$1/"
}

version_of() { # PACKAGE
	awk -v name="$1" '/^P:/ { found = $0 == "P:" name } found && /^V:/ { print substr($0, 3) }' "$root/lib/apk/db/installed"
}

make_package() { # from $field, $checksum and the list of files
	local name=${field[P]} letter script trigger tree=$native/build/tree
	local -a options=()
	[[ $name != linux-virt ]] || return 0
	rm -rf "$tree"
	mkdir "$tree"
	tar -C "$root" --no-recursion -cf - -T "$native/build/files" | tar -C "$tree" -xpf -
	for letter in "${!field[@]}"; do
		[[ -z ${info[$letter]:-} ]] || options+=(--info "${info[$letter]}:${field[$letter]}")
	done
	# Named <package>-<version>.X1<checksum>.<kind>.
	for script in "$native/build/scripts/$name-${field[V]}".X1*; do
		[[ ! -e $script ]] || options+=(--script "${script##*.}:${script#"$native"}")
	done
	while read -r trigger; do options+=(--trigger "$trigger"); done < <(
		[[ -z $checksum ]] || awk -v sum="$checksum" '$1 == sum { for (i = 2; i <= NF; i++) print $i }' "$root/lib/apk/db/triggers")
	chroot "$native" /sbin/apk mkpkg -q --files /build/tree --sign-key /key.pem --output "/build/apks/$name-${field[V]}.apk" \
		"${options[@]}"
}
