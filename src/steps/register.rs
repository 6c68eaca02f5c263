//! The step in which the server proves itself and accepts this node, before k3s is downloaded.

use crate::board::node::Node;
use crate::host::Host;
use crate::k3s::link::ServerLink;
use crate::settings::Settings;
use anyhow::{Result, anyhow};

/// Checks the server's CA and has it accept the node under its password. A server that is down is
/// waited for; a refusal is an error that names the remedy.
pub fn run(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let password = settings.node_password(host, node, link.token())?;
    let server = link.connect(host, node.mac.seed())?;
    let what = format_args!("ask {} whether it accepts {}", link.url(), node.name);
    host.ask(what, || {
        server
            .ok_or_else(|| anyhow!("the server was not asked"))?
            .register(host, node, &password)
    })?;
    Ok(())
}
