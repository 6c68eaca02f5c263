//! Becoming the node: its password, its own configuration, the server's word that it is welcome, and then `k3s agent`.

use crate::host::{Content, Host, Variable};
use crate::node::Node;
use crate::server::ServerLink;
use crate::settings::{Settings, TokenFound};
use anyhow::{Result, anyhow};
use log::info;
use ring::hmac;
use std::path::Path;

/// Where k3s reads the node password (k3s pkg/agent/config).
const PASSWORD_FILE: &str = "/etc/rancher/node/password";
/// The node's own part of k3s's configuration; k3s reads the folder in the order of the names.
const NODE_CONFIG: &str = "/etc/rancher/k3s/config.yaml.d/50-node.yaml";
/// Where a token that was not given in a file is put for k3s, whose environment and arguments others could read.
const TOKEN_FILE: &str = "/run/muster/token";

/// Prepares the node and has the server accept it. What is left to do then is [`exec`].
pub fn run(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let password = password(host, settings, node, link.token())?;
    host.ensure_file(
        PASSWORD_FILE,
        0o600,
        Content::Secret(&format!("{password}\n")),
    )?;
    node_config(host, node)?;
    if settings.token_file().is_none()
        && let TokenFound::Read(token) = link.token()
    {
        host.ensure_file(
            TOKEN_FILE,
            0o600,
            Content::Secret(&format!("{}\n", token.text())),
        )?;
    }
    let server = link.connect(host, node.mac.seed())?;
    host.ask(
        format_args!("ask {} whether it accepts {}", link.url(), node.name),
        || {
            server
                .ok_or_else(|| anyhow!("the server was not asked"))?
                .accepts(host, node, &password)
        },
    )?;
    Ok(())
}

/// Becomes k3s. Returns only on a plan, or with the reason why it could not.
pub fn exec(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let program = settings.bin_dir.join("k3s");
    let token_file = host.path(settings.token_file().unwrap_or(TOKEN_FILE));
    let variable = |name: &str, value: String| Variable {
        name: name.into(),
        value,
        shown: true,
    };
    let mut environment = vec![
        variable("K3S_URL", link.url().into()),
        variable("K3S_TOKEN_FILE", token_file.display().to_string()),
        variable("K3S_NODE_NAME", node.name.to_string()),
    ];
    environment.extend(settings.for_k3s.iter().cloned());
    let arguments: Vec<String> = std::iter::once("agent".into())
        .chain(settings.exec.iter().cloned())
        .collect();
    info!("becoming {} agent", program.display());
    host.exec(Path::new(&program), &arguments, &environment)
}

/// The node password: the same at each boot, another on each board, and not to be had from the node's name.
fn password(host: &Host, settings: &Settings, node: &Node, token: &TokenFound) -> Result<String> {
    let key = match (settings.node_secret(host)?, token) {
        (Some(secret), _) => secret,
        (None, TokenFound::Read(token)) => token.secret().into(),
        // A plan shows no password, so it can do without one.
        (None, TokenFound::Unreadable) => String::new(),
    };
    Ok(derive_password(&key, node))
}

/// HMAC-SHA-256 over a label and the board's own bytes; its first 16 bytes in hex, which is the form of k3s's random ones.
fn derive_password(key: &str, node: &Node) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
    context.update(b"k3s-node-password\0");
    context.update(&node.hardware_id());
    hex::encode(&context.sign().as_ref()[..16])
}

fn node_config(host: &Host, node: &Node) -> Result<()> {
    let own = format!("/etc/muster/nodes/{}.yaml", node.name);
    if host.metadata(&own).is_some() {
        return host.ensure_link(&own, NODE_CONFIG);
    }
    // A link that another name left behind.
    match host.link_target(NODE_CONFIG) {
        Some(target) if target.starts_with("/etc/muster/nodes") => host.remove(NODE_CONFIG),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostname::Naming;
    use crate::mac::Mac;

    #[test]
    fn password_golden_vectors() {
        let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
        let name = Naming::new("worker-", 6).unwrap().of(mac);
        let mut node = Node {
            mac,
            name,
            interface: "eth0".into(),
            serial: None,
        };
        assert_eq!(
            derive_password("secret", &node),
            "1e3ae0ed88d1544a46c3ad868e9210f2"
        );
        node.serial = Some("10000000abcdef01".into());
        assert_eq!(
            derive_password("secret", &node),
            "4895dc8c638667d1edc90b72b20c7d30"
        );
        assert_ne!(
            derive_password("other", &node),
            "4895dc8c638667d1edc90b72b20c7d30"
        );
    }
}
