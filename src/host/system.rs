//! Reads free space and addresses, reads and sets the hostname, and makes mounts, by system calls.

use super::Host;
use super::routes::is_doubtful;
use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Host {
    /// The number of bytes that root can still write on the file system of `folder`. When `folder`
    /// does not exist, this is the file system of its nearest existing parent.
    pub fn free_space(&self, folder: &Path) -> Result<u64> {
        let path = self.path(folder);
        let existing = path
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let stat = nix::sys::statvfs::statvfs(existing)
            .with_context(|| format!("cannot read the free space of {}", folder.display()))?;
        // The integer types of these numbers differ between targets. Some targets need a cast.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Ok(stat.blocks_free() as u64 * stat.fragment_size() as u64)
    }

    /// The kernel's hostname. It is empty when the kernel does not tell it, which is not the name of
    /// a node either.
    pub fn hostname(&self) -> String {
        let name = nix::unistd::gethostname().unwrap_or_default();
        String::from_utf8_lossy(name.as_bytes()).into_owned()
    }

    /// Sets the kernel's hostname. It does nothing when `--root` names another folder than `/`:
    /// that folder has the files of another machine, but the hostname is the running machine's.
    pub fn set_hostname(&self, name: &str) -> Result<()> {
        if self.path("/") != Path::new("/") {
            return Ok(());
        }
        self.effect(format_args!("set the hostname to {name}"), || {
            nix::unistd::sethostname(name).map_err(|error| match error {
                Errno::EPERM => anyhow!(
                    "cannot set the hostname to {name}: a boot needs root (muster --dry-run shows \
                     the plan, and does not need root)"
                ),
                _ => anyhow!("cannot set the hostname to {name}: {error}"),
            })
        })?;
        Ok(())
    }

    /// An address of the interface that other hosts can reach: an IPv4 address if there is one,
    /// else an IPv6 address. It is never link-local. An IPv6 address does not count while the
    /// kernel checks whether another host has it, nor when another host has it.
    pub fn address(&self, interface: &str) -> Option<IpAddr> {
        self.addresses(interface).first().copied()
    }

    /// All addresses of the interface that other hosts can reach. IPv4 addresses come first.
    pub fn addresses(&self, interface: &str) -> Vec<IpAddr> {
        let Ok(all) = nix::ifaddrs::getifaddrs() else {
            return Vec::new();
        };
        let v6 = self.read_text("/proc/net/if_inet6").unwrap_or_default();
        let mut addresses: Vec<IpAddr> = all
            .filter(|found| found.interface_name == interface)
            .filter_map(|found| {
                let address = found.address?;
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            })
            .filter(|address| match address {
                IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
                IpAddr::V6(address) => {
                    !address.is_unicast_link_local()
                        && !address.is_multicast()
                        && !is_doubtful(&v6, interface, *address)
                }
            })
            .collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses
    }

    /// Mounts a kernel file system of this `kind`, with the options nosuid, nodev and noexec.
    pub fn mount(&self, source: &str, target: &str, kind: &str) -> Result<()> {
        self.effect(format_args!("mount {kind} on {target}"), || {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(
                Some(source),
                &self.path(target),
                Some(kind),
                flags,
                None::<&str>,
            )
            .with_context(|| format!("cannot mount {kind} on {target}"))
        })?;
        Ok(())
    }

    /// Makes the mount at `target`, and all mounts below it, shared, so that mounts propagate
    /// between the machine and its pods.
    pub fn make_shared(&self, target: &str) -> Result<()> {
        self.effect(format_args!("make {target} a shared mount"), || {
            mount(
                None::<&str>,
                &self.path(target),
                None::<&str>,
                MsFlags::MS_REC | MsFlags::MS_SHARED,
                None::<&str>,
            )
            .with_context(|| format!("cannot make {target} a shared mount"))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::host::{Host, Mode};
    use std::net::{IpAddr, Ipv6Addr};
    use std::path::Path;

    #[test]
    fn free_space_of_a_folder_that_does_not_exist_is_that_of_the_one_above() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Plan);
        assert!(host.free_space(Path::new("/not/yet")).unwrap() > 0);
    }

    #[test]
    fn an_interface_that_does_not_exist_has_no_address() {
        let host = Host::new("/", Mode::Plan);
        assert_eq!(host.address("muster-none0"), None);
    }

    #[test]
    fn a_dry_run_leaves_the_hostname() {
        let host = Host::new("/", Mode::Plan);
        let before = host.hostname();
        host.set_hostname("muster-test").unwrap();
        assert_eq!(host.hostname(), before);
    }

    #[test]
    fn the_hostname_is_the_kernels() {
        let host = Host::new("/", Mode::Perform);
        let kernels = host.read_text("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host.hostname(), kernels.trim_end());
    }

    #[test]
    fn an_address_that_another_host_may_have_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Plan);
        let addresses = || host.addresses("lo");
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(addresses()[0], IpAddr::from([127, 0, 0, 1]));
        std::fs::create_dir_all(host.path("/proc/net")).unwrap();
        let one = format!("{:032x} 01 80 10", 1);
        for (flags, counts) in [("80", true), ("c0", false)] {
            let line = format!("{one} {flags} lo\n");
            std::fs::write(host.path("/proc/net/if_inet6"), line).unwrap();
            assert_eq!(addresses().contains(&v6), counts, "{flags}");
        }
    }
}
