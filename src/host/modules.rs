//! Loads the kernel modules that k3s needs.

use super::Host;
use anyhow::Result;
use log::warn;

/// Modules that k3s loads (k3s, `pkg/agent/syssetup/setup.go`), and vxlan, which flannel needs and
/// k3s does not load.
const ALWAYS: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "vxlan"];
/// The modules of the kernel's two packet filters, ip_tables and nf_tables. k3s loads the modules
/// of both filters, some by an alias, and uses the filter that its `iptables` program finds. A
/// kernel may have only one of the two filters.
const FILTERS: [[&str; 2]; 2] = [
    ["iptable_nat", "iptable_filter"],
    ["nft_compat", "nft_chain_nat"],
];

/// Loads the modules that are missing ([`missing`]). k3s can start without some of them, so it is
/// only a warning when a module cannot be loaded.
pub fn load(host: &Host) -> Result<()> {
    let missing = missing(host)?;
    if missing.is_empty() {
        return Ok(());
    }
    // Without -q, modprobe prints errors about a packet filter that the kernel does not have.
    let argv = [&["modprobe", "-q", "-a"], missing.as_slice()].concat();
    let result = host.run(&argv);
    if host.plans() {
        return result;
    }
    let missing = self::missing(host)?;
    if !missing.is_empty() {
        let why = result.err().map(|error| format!(" ({error:#})"));
        warn!(
            "cannot load the kernel modules {}{}; pods may have no network or storage: check that \
             the image has the modloop of this kernel",
            missing.join(" "),
            why.unwrap_or_default()
        );
    }
    Ok(())
}

/// The modules that are missing: k3s needs them, and they are neither loaded nor built into the
/// kernel. When the kernel has all modules of one packet filter, the modules of the other filter do
/// not count as missing.
pub fn missing(host: &Host) -> Result<Vec<&'static str>> {
    let release = host.read_text("/proc/sys/kernel/osrelease")?;
    let builtin = host.read_text(format!("/lib/modules/{}/modules.builtin", release.trim()))?;
    let is_loaded = |module: &str| {
        let file = format!("/{module}.ko");
        host.metadata(format!("/sys/module/{module}")).is_some()
            || builtin
                .lines()
                .any(|line| line.replace('-', "_").ends_with(&file))
    };
    let has_filter = FILTERS
        .iter()
        .any(|filter| filter.iter().all(|module| is_loaded(module)));
    let filters = FILTERS.iter().flatten().filter(|_| !has_filter);
    let wanted = ALWAYS.iter().chain(filters);
    Ok(wanted
        .filter(|module| !is_loaded(module))
        .copied()
        .collect())
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use std::fs;

    #[test]
    fn one_complete_packet_filter_is_enough() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Plan);
        let load = |module: &str| {
            fs::create_dir_all(root.path().join("sys/module").join(module)).unwrap();
        };
        let missing = || missing(&host).unwrap().join(" ");
        let all = "overlay br_netfilter nf_conntrack vxlan iptable_nat iptable_filter nft_compat \
                   nft_chain_nat";
        assert_eq!(missing(), all);
        let builtin = root.path().join("lib/modules/6.12.1");
        fs::create_dir_all(&builtin).unwrap();
        fs::create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
        fs::write(root.path().join("proc/sys/kernel/osrelease"), "6.12.1\n").unwrap();
        let text = "kernel/fs/overlayfs/overlay.ko\nkernel/net/bridge/br-netfilter.ko\n";
        fs::write(builtin.join("modules.builtin"), text).unwrap();
        load("nf_conntrack");
        load("vxlan");
        load("iptable_nat");
        assert_eq!(missing(), "iptable_filter nft_compat nft_chain_nat");
        load("nft_compat");
        load("nft_chain_nat");
        assert_eq!(missing(), "");
    }
}
