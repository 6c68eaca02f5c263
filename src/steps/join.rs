//! The join step: it writes the files that k3s reads (the node password, the node's own
//! configuration, and a token that was not given in a file). After this step, [`crate::handover`]
//! replaces this process with `k3s agent`.

use crate::board::node::Node;
use crate::host::Host;
use crate::host::files::Content;
use crate::host::process::Variable;
use crate::k3s::link::ServerLink;
use crate::k3s::token::JoinToken;
use crate::paths;
use crate::settings::Settings;
use anyhow::{Result, bail};

/// The name of the step.
pub const NAME: &str = "join";

/// Before a restart of k3s, writes the files that `k3s agent` reads and that are missing or out of
/// date, without a network request. But a password file that is not empty is always kept: the
/// server knows this password, even if the token has changed since.
pub fn keep_files(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    node_config(host, settings, node)?;
    let has_password = host
        .metadata(paths::NODE_PASSWORD.path)
        .is_some_and(|meta| meta.len() > 0);
    if !has_password {
        let password = settings.node_password(host, node, &settings.token(host)?)?;
        let line = format!("{password}\n");
        host.ensure_file(paths::NODE_PASSWORD, Content::Secret(&line))?;
    }
    match settings.token_file() {
        Some(_) => Ok(()),
        None => keep_token(host, &settings.token(host)?),
    }
}

/// Writes the files that k3s reads.
///
/// Fails when the file with the join token has changed since `link` read it. k3s reads the file
/// once, and with a token that the server does not accept, k3s would ask the server again for ever.
pub fn run(host: &Host, settings: &Settings, node: &Node, link: &ServerLink) -> Result<()> {
    let password = settings.node_password(host, node, link.token())?;
    let line = format!("{password}\n");
    host.ensure_file(paths::NODE_PASSWORD, Content::Secret(&line))?;
    node_config(host, settings, node)?;
    match settings.token_file() {
        Some(file) if !host.plans() && settings.token(host)? != *link.token() => {
            bail!("the token in {file} has changed since the server accepted this node")
        }
        Some(_) => {}
        None => keep_token(host, link.token())?,
    }
    host.set_result("wrote the files that k3s reads".into());
    Ok(())
}

/// The arguments of `k3s agent`, and the environment variables that it gets from muster.
pub fn command(
    host: &Host,
    settings: &Settings,
    node: &Node,
) -> Result<(Vec<String>, Vec<Variable>)> {
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
    let arguments = std::iter::once("agent".into())
        .chain(settings.exec.iter().cloned())
        .collect();
    Ok((arguments, environment))
}

/// Writes the token to a file for k3s. It is called when the settings have the token itself and not
/// the path of a file.
fn keep_token(host: &Host, token: &JoinToken) -> Result<()> {
    let JoinToken::Read(token) = token else {
        return Ok(());
    };
    let line = format!("{}\n", token.text());
    host.ensure_file(paths::RUN_TOKEN, Content::Secret(&line))
}

/// Makes a symbolic link in k3s's configuration folder to the node's own configuration file, if the
/// overlay has such a file.
fn node_config(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let own = format!("{}/{}.yaml", paths::NODES, node.name);
    let link = settings.node_config();
    if host.metadata(&own).is_some() {
        return host.ensure_link(&own, &link);
    }
    // This node has no such file. Remove the link that an earlier run may have made, for example
    // because the node had another name then.
    match host.link_target(&link) {
        Some(target) if target.starts_with(paths::NODES) => host.remove(&link),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the file that an operator would"
)]
mod tests;
