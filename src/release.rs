//! k3s releases: tags, architectures and the assets that carry their names.
//!
//! Layout as on GitHub: `<base>/<tag>/<asset>`, with `sha256sum-<arch>.txt` beside the binaries.

use std::fmt;

/// A release tag, such as `v1.34.1+k3s1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Accepts what k3s calls its releases, and nothing that could change the meaning of a URL or a path.
    pub fn parse(text: &str) -> Option<Tag> {
        let (numbers, suffix) = text.split_at(text.find(['+', '-']).unwrap_or(text.len()));
        let numbers: Vec<&str> = numbers.strip_prefix('v')?.split('.').collect();
        let number =
            |text: &&str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let plain = numbers.len() == 3 && numbers.iter().all(number);
        let suffix = suffix.len() != 1
            && suffix.len() <= 64
            && !suffix.contains("..")
            && suffix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        (plain && suffix).then(|| Tag(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// The architecture this program was built for: what runs it runs that k3s.
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

    /// The name of the sums file among a release's assets.
    pub fn sums(self) -> &'static str {
        match self {
            Arch::Amd64 => "sha256sum-amd64.txt",
            Arch::Arm64 => "sha256sum-arm64.txt",
            Arch::Armhf => "sha256sum-arm.txt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for text in [
            "v1.34.1+k3s1",
            "v1.34.1-rc1+k3s1",
            "v1.0.0",
            "v1.21.14+k3s1",
        ] {
            assert_eq!(
                Tag::parse(text).map(|tag| tag.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "v",
            "1.34.1",
            "v1.34",
            "v1.34.1/../x",
            "v1.34.1+",
            "v1.34.1+..",
            "v1.34.1 k3s1",
            "stable",
            "v1..1",
            "vv1.2.3",
            "v1.2.3.4",
        ] {
            assert_eq!(Tag::parse(text), None, "{text}");
        }
    }
}
