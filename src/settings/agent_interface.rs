//! The network interface whose IP address `k3s agent` uses to join, on a board that has several
//! interfaces.
//!
//! k3s takes the address from `node-ip`, else from the interface that `flannel-iface` names, else
//! from the interface that has the default route (k3s, `pkg/cli/agent/agent.go`). The node may be
//! named after the MAC address of another interface.

use super::agent_config::AgentConfig;
use crate::board::node::Node;
use crate::host::Host;
use crate::host::routes::default_interface;
use anyhow::Result;

impl AgentConfig {
    /// Returns a message when `flannel-iface` names an interface that does not exist; `None` when
    /// the interface exists, and when `flannel-iface` was not given.
    pub fn interface_problem(&self, host: &Host) -> Option<String> {
        let name = self.get("flannel-iface")?;
        let exists = host.metadata(format!("/sys/class/net/{name}")).is_some();
        (!exists).then(|| {
            format!(
                "flannel-iface={name:?}: there is no such interface, and k3s would end at once: \
                 configure the interface, or remove flannel-iface from k3s's configuration"
            )
        })
    }

    /// Returns a message when k3s would join with the address of another interface than the one
    /// that names the node. Returns `None` when both are the same interface, when `node-ip` names
    /// the address, and when there is neither `flannel-iface` nor a default route.
    pub fn other_interface(&self, host: &Host, node: &Node) -> Result<Option<String>> {
        if self.get("node-ip").is_some() {
            return Ok(None);
        }
        let v4 = host.read_text("/proc/net/route")?;
        let v6 = host.read_text("/proc/net/ipv6_route")?;
        let (used, why) = match self.get("flannel-iface") {
            Some(name) => (name, "flannel-iface names this interface"),
            None => match default_interface(&v4, &v6) {
                Some(name) => (name, "the default route uses this interface"),
                None => return Ok(None),
            },
        };
        let own = &node.interface;
        Ok((used != own).then(|| {
            format!(
                "k3s joins with the address of {used}, because {why}, but the name of the node is \
                 from the MAC address of {own}: set MUSTER_INTERFACE={used}, or write the line \
                 `flannel-iface: {own}` in /etc/muster/nodes/{}.yaml",
                node.name
            )
        }))
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests;
