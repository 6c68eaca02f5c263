//! Names the files that muster downloads from a release of k3s (the k3s executable, and the archive
//! of its container images), and computes the space that each file needs.

use crate::host::machine::Need;
use crate::k3s::release::Arch;
use crate::paths::{self, NodeFile};
use std::time::Duration;

/// The space that containerd needs for the imported images, as a multiple of the archive's length.
/// The archive as a whole is compressed, but containerd stores the layers uncompressed, as
/// `docker save` wrote them: an archive of 86 MB (k3s 1.21) holds layers of 358 MB. In addition, a
/// running container needs an unpacked copy of its image.
const UNPACKED: u64 = 5;
/// The memory that k3s itself needs besides the images (bytes). The documentation of k3s requires
/// this much for an agent.
const AGENT: u64 = 512_000_000;
/// The length of the shortest image archive that is expected (bytes). The image archives of k3s
/// 1.21 and later are longer.
const SHORTEST_IMAGES: u64 = 80_000_000;
/// How long a boot waits for the image archive when no bytes of it arrive. After this time the node
/// joins without the archive.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The k3s executable, without which the node cannot join.
    K3s,
    /// The archive of the container images that k3s imports when it starts. The node can join
    /// without this file.
    Images,
}

impl Asset {
    /// The name of the file among the assets of the release, for this board's architecture.
    pub fn name(self) -> &'static str {
        match self {
            Asset::K3s => Arch::own().asset(),
            Asset::Images => Arch::own().images(),
        }
    }

    /// The name of the file in messages.
    pub fn shown(self) -> &'static str {
        match self {
            Asset::K3s => "k3s",
            Asset::Images => "the image archive of k3s",
        }
    }

    /// The permissions of the installed file.
    pub fn mode(self) -> u32 {
        match self {
            Asset::K3s => paths::K3S.mode,
            Asset::Images => paths::IMAGES.mode,
        }
    }

    /// The file in which muster records that this boot has verified the asset
    /// ([`super::verified`]).
    pub fn record(self) -> NodeFile {
        match self {
            Asset::K3s => paths::VERIFIED,
            Asset::Images => paths::VERIFIED_IMAGES,
        }
    }

    /// The space that is still needed for a file of `total` bytes, of which `len` bytes have
    /// arrived. For the images this includes the space that containerd and k3s need later.
    pub fn need(self, total: u64, len: u64) -> Need {
        let beside = match self {
            Asset::K3s => 0,
            Asset::Images => UNPACKED * total + AGENT,
        };
        Need {
            what: self.shown(),
            bytes: total.saturating_sub(len) + beside,
        }
    }

    /// The least space that this asset needs. It is used before a mirror has announced the length
    /// of the asset. For the images it is computed from `SHORTEST_IMAGES`; for k3s it is 0.
    pub fn least_need(self) -> Need {
        match self {
            Asset::K3s => self.need(0, 0),
            Asset::Images => self.need(SHORTEST_IMAGES, 0),
        }
    }

    /// How long mirrors that deliver nothing are retried; `None` means without a limit.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Asset::K3s => None,
            Asset::Images => Some(PATIENCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_need_room_for_containerds_copy_and_for_k3s() {
        let need = |total, len| Asset::Images.need(total, len).bytes;
        assert_eq!(need(100_000_000, 0), 1_112_000_000);
        assert_eq!(need(100_000_000, 60_000_000), 1_052_000_000);
        assert_eq!(Asset::Images.least_need().bytes, need(80_000_000, 0));
        assert_eq!(Asset::K3s.need(75, 70).bytes, 5);
    }
}
