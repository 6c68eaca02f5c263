#!/bin/sh
# Makes the archive of a release for one architecture: the program, the service, the overlay tools, pages, licences of all
# that is linked, and a list of it (SPDX). The same program and the same SOURCE_DATE_EPOCH give the same bytes. Needs GNU tar.
set -eu
umask 022
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")

die() {
	echo "dist.sh: $*" >&2
	exit 2
}

[ $# = 3 ] || die "usage: SOURCE_DATE_EPOCH=SECONDS dist.sh ARCH PROGRAM FOLDER"
arch=$1 program=$2 output=$3
case $arch in
	aarch64 | x86_64) target=$arch-unknown-linux-musl ;;
	armv7) target=armv7-unknown-linux-musleabihf ;;
	*) die "'$arch' is none of aarch64, armv7, x86_64" ;;
esac
case ${SOURCE_DATE_EPOCH:-} in '' | *[!0-9]*) die "SOURCE_DATE_EPOCH must be the release's time, in seconds since 1970" ;; esac
[ -f "$program" ] || die "there is no program at $program: make $arch"
program=$(realpath "$program")
mkdir -p "$output"
output=$(realpath "$output")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)
name=muster-$version-$arch

stage=$(mktemp -d "${TMPDIR:-/tmp}/muster-dist.XXXXXX")
trap 'rm -rf "$stage"' EXIT
tree=$stage/$name
mkdir -p "$tree/licences"

for folder in completions docs man openrc overlay; do cp -R "$top/$folder" "$tree/"; done
for page in README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE-MIT LICENSE-APACHE; do cp "$top/$page" "$tree/"; done
cp "$here/install.sh" "$tree/install.sh"
cp "$program" "$tree/muster"

# ---- what is linked

cd "$top"
# One line a crate: name, version, licence. Build scripts and macros (which are not linked) are left out.
cargo tree --locked --package muster --target "$target" --edges normal,no-proc-macro --prefix none --format '{p}|{l}' |
	sed 's/ (.*)|/|/; s/ (\*)$//; s/ v\([^|]*\)|/|\1|/' | sort -u >"$stage/crates"
[ "$(wc -l <"$stage/crates")" -gt 10 ] || die "cargo tree lists too few crates"

while IFS='|' read -r crate number _; do
	[ "$crate" != muster ] || continue
	found=''
	for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-$number"; do
		for file in "$source"/LICEN[CS]E* "$source"/COPYING* "$source"/COPYRIGHT* "$source"/NOTICE* "$source"/UNLICENSE*; do
			[ -f "$file" ] || continue
			mkdir -p "$tree/licences/$crate-$number"
			cp "$file" "$tree/licences/$crate-$number/"
			found=yes
		done
	done
	[ -n "$found" ] || die "no licence text of $crate $number in cargo's sources"
done <"$stage/crates"
cp "$here/licence-musl.txt" "$tree/licences/musl.txt"
library=$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html
[ -f "$library" ] || die "no $library: install Rust by rustup, whose toolchains have the licences of the standard library"
cp "$library" "$tree/licences/rust-library.html"

checksum() { # NAME VERSION: from Cargo.lock, the SHA-256 of the crate's archive
	awk -v name="$1" -v number="$2" '
		$0 == "name = \"" name "\"" { here = 1; next }
		here && $0 == "version = \"" number "\"" { right = 1; next }
		here && right && /^checksum = / { gsub(/"/, ""); print $3; exit }
		$0 == "" { here = right = 0 }' Cargo.lock
}

package() { # NAME VERSION LICENCE [MORE LINES]
	printf '\nPackageName: %s\nSPDXID: SPDXRef-%s-%s\nPackageVersion: %s\n' "$1" "$1" "$2" "$2" | sed '/^SPDXID/s/[_+]/-/g'
	printf 'PackageDownloadLocation: NOASSERTION\nFilesAnalyzed: false\n%s' "${4:-}"
	printf 'PackageLicenseConcluded: NOASSERTION\nPackageLicenseDeclared: %s\nPackageCopyrightText: NOASSERTION\n' "$3"
}

{
	printf 'SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: %s\n' "$name"
	printf 'DocumentNamespace: urn:sha256:%s\n' "$(sha256sum <"$program" | cut -d' ' -f1)"
	printf 'Creator: Tool: muster-dist\nCreated: %s\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
	printf 'Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-muster-%s\n' "$version"
	while IFS='|' read -r crate number licence; do
		licence=$(printf '%s' "$licence" | sed 's,/, OR ,') # old manifests have a slash for OR
		case $crate in
			muster) package "$crate" "$number" "$licence" ;;
			*)
				package "$crate" "$number" "$licence" "PackageChecksum: SHA256: $(checksum "$crate" "$number")
"
				printf 'ExternalRef: PACKAGE-MANAGER purl pkg:cargo/%s@%s\n' "$crate" "$number" ;;
		esac
	done <"$stage/crates"
	package rust-library "$(rustc --version | cut -d' ' -f2)" 'MIT OR Apache-2.0'
	package musl 1.2 MIT
} >"$tree/muster.spdx"

# ---- the archive

find "$tree" -type d -exec chmod 0755 {} +
find "$tree" -type f -exec chmod 0644 {} +
chmod 0755 "$tree/muster" "$tree/install.sh" "$tree"/overlay/*.sh "$tree"/openrc/*.initd "$tree/openrc/muster-log"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=ustar -C "$stage" -cf "$stage/tar" "$name"
gzip -9 -n <"$stage/tar" >"$stage/tar.gz"
cp "$stage/tar.gz" "$output/$name.tar.gz.part"
mv "$output/$name.tar.gz.part" "$output/$name.tar.gz"
echo "$output/$name.tar.gz: $(wc -c <"$output/$name.tar.gz") bytes"
