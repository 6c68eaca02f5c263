//! The join step: it writes the node password and the node's configuration, asks the server whether
//! it accepts the node, and then replaces muster with `k3s agent`.

use crate::board::node::Node;
use crate::host::Host;
use crate::host::files::Content;
use crate::host::process::Variable;
use crate::k3s::server::ServerLink;
use crate::k3s::token::JoinToken;
use crate::paths;
use crate::settings::Settings;
use anyhow::{Result, anyhow};
use log::info;
use ring::hmac;
use std::path::Path;

/// Writes the files that `k3s agent` reads and that are missing before a restart, and asks nobody. A
/// password file stays as it is: the server knows that password, also when the token has changed.
pub fn keep_files(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    node_config(host, node)?;
    let has_password = host
        .metadata(paths::NODE_PASSWORD.path)
        .is_some_and(|meta| meta.len() > 0);
    if !has_password {
        let password = password(host, settings, node, &settings.token(host)?)?;
        let line = format!("{password}\n");
        host.ensure_file(paths::NODE_PASSWORD, Content::Secret(&line))?;
    }
    match settings.token_file() {
        Some(_) => Ok(()),
        None => keep_token(host, &settings.token(host)?),
    }
}

/// Writes the files that `k3s agent` reads, and asks the server to accept the node. It waits for a
/// server that is down. Fails when the server rejects the join token or the node password.
pub fn run(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let password = password(host, settings, node, link.token())?;
    let line = format!("{password}\n");
    host.ensure_file(paths::NODE_PASSWORD, Content::Secret(&line))?;
    node_config(host, node)?;
    if settings.token_file().is_none() {
        keep_token(host, link.token())?;
    }
    let server = link.connect(host, node.mac.seed())?;
    host.ask(
        format_args!("ask {} whether it accepts {}", link.url(), node.name),
        || {
            server
                .ok_or_else(|| anyhow!("there is no connection to the k3s server"))?
                .accepts(host, node, &password)
        },
    )?;
    Ok(())
}

/// Replaces this process with `k3s agent`. It returns only in a dry run, or with the reason why k3s
/// could not be started.
pub fn exec(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let program = settings.bin_dir.join("k3s");
    let token_file = host.path(settings.token_file().unwrap_or(paths::RUN_TOKEN.path));
    let variable = |name: &str, value: String| Variable {
        name: name.into(),
        value,
        shown: true,
    };
    let mut environment = vec![
        variable("K3S_URL", settings.server()?.into()),
        variable("K3S_TOKEN_FILE", token_file.display().to_string()),
        variable("K3S_NODE_NAME", node.name.to_string()),
    ];
    environment.extend(settings.for_k3s.iter().cloned());
    let arguments: Vec<String> = std::iter::once("agent".into())
        .chain(settings.exec.iter().cloned())
        .collect();
    info!("starting {} agent in this process", program.display());
    host.exec(Path::new(&program), &arguments, &environment)
}

/// Writes a token that was not given in a file to a file for k3s.
fn keep_token(host: &Host, token: &JoinToken) -> Result<()> {
    let JoinToken::Read(token) = token else {
        return Ok(());
    };
    let line = format!("{}\n", token.text());
    host.ensure_file(paths::RUN_TOKEN, Content::Secret(&line))
}

/// The node password: the same at each boot and different on each board. Nobody can derive it from
/// the hostname, because it is keyed by a secret.
fn password(host: &Host, settings: &Settings, node: &Node, token: &JoinToken) -> Result<String> {
    let key = match (settings.node_secret(host)?, token) {
        (Some(secret), _) => secret,
        (None, JoinToken::Read(token)) => token.secret().into(),
        // A dry run does not show the password, so it needs no key.
        (None, JoinToken::Unreadable) => String::new(),
    };
    Ok(derive_password(&key, node))
}

/// The first 16 bytes, in hex, of HMAC-SHA-256 over a label and the board's hardware id. A password
/// that k3s makes itself has the same form: 32 random hex digits.
fn derive_password(key: &str, node: &Node) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
    context.update(b"k3s-node-password\0");
    context.update(&node.hardware_id());
    hex::encode(&context.sign().as_ref()[..16])
}

/// Links the node's own configuration, if the overlay has one, into k3s's configuration folder.
fn node_config(host: &Host, node: &Node) -> Result<()> {
    let own = format!("{}/{}.yaml", paths::NODES, node.name);
    if host.metadata(&own).is_some() {
        return host.ensure_link(&own, paths::NODE_CONFIG);
    }
    // The link may be from a run in which the node had another name.
    match host.link_target(paths::NODE_CONFIG) {
        Some(target) if target.starts_with(paths::NODES) => host.remove(paths::NODE_CONFIG),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::hostname::Naming;
    use crate::board::mac::Mac;

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
