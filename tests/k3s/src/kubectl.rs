//! `k3s kubectl`: the few commands that tests and the demo use. They read and change the files in
//! the server's data folder (`K3S_DATA_DIR`).

use crate::nodes::Nodes;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

pub fn run(words: &[String]) -> Result<()> {
    let data_dir = crate::env_var("K3S_DATA_DIR").unwrap_or_else(|| "/var/lib/rancher/k3s".into());
    if !Path::new(&data_dir).join("server").is_dir() {
        bail!("{data_dir} is not the data folder of a server: set K3S_DATA_DIR");
    }
    let nodes = Nodes::open(Path::new(&data_dir))?;
    let switch = |name: &str| words.iter().any(|word| word == name);
    let mut plain = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-n" | "--namespace" => {
                rest.next().context("-n needs a namespace")?;
            }
            "--no-headers" | "--show-labels" => {}
            _ if word.starts_with('-') => bail!("unknown flag: {word}"),
            _ => plain.push(word),
        }
    }
    match plain.as_slice() {
        ["get", "node" | "nodes", names @ ..] => print(
            &nodes,
            names,
            !switch("--no-headers"),
            switch("--show-labels"),
        ),
        ["delete", "secret", secret] => {
            let node = secret
                .strip_suffix(".node-password.k3s")
                .context("the only secrets are node passwords")?;
            deleted(nodes.forget_password(node)?, "secret", "secrets", secret)
        }
        ["delete", "node" | "nodes", name] => deleted(nodes.delete(name)?, "node", "nodes", name),
        _ => bail!(
            "the stand-in supports: get nodes [<node>...] | delete secret <node>.node-password.k3s | \
             delete node <node>"
        ),
    }
}

fn deleted(existed: bool, kind: &str, kinds: &str, name: &str) -> Result<()> {
    if !existed {
        bail!("Error from server (NotFound): {kinds} {name:?} not found");
    }
    println!("{kind} {name:?} deleted");
    Ok(())
}

/// Prints the nodes with these names, or all of them when there is no name.
fn print(nodes: &Nodes, names: &[&str], headers: bool, labels: bool) -> Result<()> {
    let mut rows: Vec<[String; 6]> = Vec::new();
    if headers {
        rows.push(["NAME", "STATUS", "ROLES", "AGE", "VERSION", "LABELS"].map(String::from));
    }
    let nodes = nodes.list()?;
    for name in names {
        if !nodes.iter().any(|node| node.name == *name) {
            bail!("Error from server (NotFound): nodes {name:?} not found");
        }
    }
    let is_wanted = |name: &str| names.is_empty() || names.contains(&name);
    for node in nodes.iter().filter(|node| is_wanted(&node.name)) {
        let status = if node.ready { "Ready" } else { "NotReady" };
        let row = [
            &node.name,
            status,
            "<none>",
            &age(node.age),
            &node.version,
            &node.labels,
        ];
        rows.push(row.map(String::from));
    }
    if rows.len() <= usize::from(headers) {
        println!("No resources found");
        return Ok(());
    }
    let columns = if labels { 6 } else { 5 };
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0) + 3;
    let mut out = std::io::stdout().lock();
    for row in &rows {
        let cells: String = (0..columns)
            .map(|column| format!("{:<1$}", row[column], width(column)))
            .collect();
        writeln!(out, "{}", cells.trim_end())?;
    }
    Ok(())
}

/// Formats an age as kubectl does: the older, the coarser the unit.
fn age(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..120 => format!("{s}s"),
        s @ 120..600 => format!("{}m{}s", s / 60, s % 60),
        s @ 600..10_800 => format!("{}m", s / 60),
        s @ 10_800..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}
