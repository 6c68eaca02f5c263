//! Lists the files of a release that are downloaded (k3s, and the archive of its container images),
//! and the space that each needs.

use crate::host::machine::Need;
use crate::k3s::release::Arch;
use crate::paths::{self, NodeFile};
use std::time::Duration;

/// The space that containerd needs for the imported images, as a multiple of the archive's length.
/// containerd stores the layers as `docker save` wrote them, which is uncompressed, while the
/// archive as a whole is compressed: an archive of 86 MB (k3s 1.21) holds layers of 358 MB. In
/// addition, a running container needs an unpacked copy of its image.
const UNPACKED: u64 = 5;
/// The memory that k3s itself needs besides the images (bytes). Its documentation requires this
/// much for an agent.
const AGENT: u64 = 512_000_000;
/// The shortest archive that is expected (bytes). The archives of k3s 1.21 and later are longer.
const SHORTEST_IMAGES: u64 = 80_000_000;
/// How long a boot waits for images that do not arrive. Then the node joins without them.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The executable, without which the node cannot join.
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

    /// The record of the file that this boot has verified ([`super::verified`]).
    pub fn record(self) -> NodeFile {
        match self {
            Asset::K3s => paths::VERIFIED,
            Asset::Images => paths::VERIFIED_IMAGES,
        }
    }

    /// The space that is still needed for a file of `total` bytes, of which `len` bytes have
    /// arrived.
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

    /// The least space that this asset needs, for the time before a mirror has announced its length.
    /// For the images it follows from the shortest archive of a known release. For k3s it is 0.
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
