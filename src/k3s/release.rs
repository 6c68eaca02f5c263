//! Parses the tags of k3s releases, and names the assets of a release for each architecture.
//!
//! A mirror has the same URLs as GitHub: `<base>/<tag>/<asset>`. The assets are the k3s binaries,
//! the archives of container images, and the checksum files (`sha256sum-<arch>.txt`), which have
//! the SHA-256 of each binary and archive.

use crate::digest::Sha256;
use crate::http::below;
use crate::paths;
use std::cmp::Ordering;
use std::fmt;
use url::Url;

/// The base URL of the k3s releases on GitHub, to which `<tag>/<asset>` is added.
pub const GITHUB: &str = "https://github.com/k3s-io/k3s/releases/download";

/// A release tag, such as `v1.34.1+k3s1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Parses a release tag in the form that k3s uses. It accepts no text that could change the
    /// meaning of a URL or a path.
    pub fn parse(text: &str) -> Option<Tag> {
        let (numbers, suffix) = text.split_at(text.find(['+', '-']).unwrap_or(text.len()));
        let numbers: Vec<&str> = numbers.strip_prefix('v')?.split('.').collect();
        let number =
            |text: &&str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let numbers_valid = numbers.len() == 3 && numbers.iter().all(number);
        let suffix_valid = suffix.len() != 1
            && suffix.len() <= 64
            && !suffix.contains("..")
            && suffix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        (numbers_valid && suffix_valid).then(|| Tag(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an agent of this release may join a server of the release `server` (Kubernetes,
    /// "Version Skew Policy": a kubelet is not newer than the API server, and at most three minor
    /// releases older).
    pub fn skew(&self, server: &Tag) -> Skew {
        let numbers = |tag: &Tag| -> Vec<u32> {
            let numbers = tag.0.trim_start_matches('v').split(['.', '+', '-']);
            numbers
                .take(2)
                .filter_map(|number| number.parse().ok())
                .collect()
        };
        let (own, server) = (numbers(self), numbers(server));
        match own.cmp(&server) {
            Ordering::Greater => Skew::Newer,
            _ if own[0] == server[0] && own[1] + 3 >= server[1] => Skew::Supported,
            _ => Skew::TooOld,
        }
    }
}

/// Whether the release of an agent fits the release of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    Supported,
    /// The agent has a later minor release than the server.
    Newer,
    /// The agent is more than three minor releases older than the server.
    TooOld,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An architecture that k3s is released for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    Amd64,
    Arm64,
    Armhf,
}

impl Arch {
    /// The architecture that muster was built for. A board that runs muster can run k3s of the same
    /// architecture.
    pub const fn own() -> Arch {
        if cfg!(target_arch = "x86_64") {
            Arch::Amd64
        } else if cfg!(target_arch = "aarch64") {
            Arch::Arm64
        } else if cfg!(target_arch = "arm") {
            Arch::Armhf
        } else {
            panic!("k3s is not released for this architecture")
        }
    }

    /// The name of the k3s binary among a release's assets.
    pub fn asset(self) -> &'static str {
        match self {
            Arch::Amd64 => "k3s",
            Arch::Arm64 => "k3s-arm64",
            Arch::Armhf => "k3s-armhf",
        }
    }

    /// The name of the archive of container images among a release's assets (k3s,
    /// `scripts/package-airgap`).
    pub fn images(self) -> &'static str {
        match self {
            Arch::Amd64 => "k3s-airgap-images-amd64.tar.zst",
            Arch::Arm64 => "k3s-airgap-images-arm64.tar.zst",
            Arch::Armhf => "k3s-airgap-images-arm.tar.zst",
        }
    }

    /// The name of the checksum file among a release's assets.
    pub fn sums(self) -> &'static str {
        match self {
            Arch::Amd64 => "sha256sum-amd64.txt",
            Arch::Arm64 => "sha256sum-arm64.txt",
            Arch::Armhf => "sha256sum-arm.txt",
        }
    }
}

/// What the operator can do when no mirror has an asset of a release. `server_is_mirror` tells
/// whether the k3s server is one of the mirrors.
pub fn remedy(asset: &str, tag: &Tag, server_is_mirror: bool) -> String {
    let sums = Arch::own().sums();
    let folder = paths::DATA_DIR;
    let list = match server_is_mirror {
        true => "",
        false => ", and add the word server to MUSTER_MIRRORS",
    };
    format!(
        "put {asset} and {sums} of the release {tag} into {folder}/server/static/k3s/{tag}/ on the \
         k3s server{list}"
    )
}

/// The URL of a release's asset below a mirror's base URL.
pub fn asset_url(base: &Url, tag: &Tag, asset: &str) -> Url {
    let mut url = below(base, &[tag.as_str(), asset]);
    // A `+` stands for itself in a path, but some servers read it as a space. `Tag::parse` accepts
    // no other character that has to be escaped.
    let path = url.path().replace('+', "%2B");
    url.set_path(&path);
    url
}

/// The digest of `asset` in the text of a checksum file, which has lines of `<64 hex>  <asset>` as
/// `sha256sum` writes them.
pub fn digest_in_sums(sums: &str, asset: &str) -> Option<Sha256> {
    sums.lines().find_map(|line| {
        let (digest, name) = line.trim().split_once(char::is_whitespace)?;
        // `sha256sum` writes `*` before the name of a file that it read in binary mode.
        let name = name.trim_start();
        (name.strip_prefix('*').unwrap_or(name) == asset).then(|| Sha256::parse(digest))?
    })
}

#[cfg(test)]
mod tests;
