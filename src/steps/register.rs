//! The step that checks the server's CA and asks the server to accept this node. It runs before k3s
//! is downloaded.

use crate::board::node::Node;
use crate::host::Host;
use crate::k3s::link::ServerLink;
use crate::settings::Settings;
use anyhow::{Result, anyhow};

/// Checks the server's CA, and asks the server to accept the node's name and password. While the
/// server is down, this function waits. When the server refuses the node, the error names the
/// remedy.
pub fn run(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let password = settings.node_password(host, node, link.token())?;
    let server = link.connect(host, node.mac.seed())?;
    let what = format_args!("ask {} whether it accepts {}", link.url(), node.name);
    host.ask(what, || {
        server
            .ok_or_else(|| {
                anyhow!("this is a bug in muster: there is no connection to the k3s server")
            })?
            .register(host, node, &password)
    })?;
    Ok(())
}
