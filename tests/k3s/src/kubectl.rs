//! `k3s kubectl`: the few commands that tests and the demo use. They read and change the files in
//! the server's data folder (`K3S_DATA_DIR`).

use crate::nodes::{Nodes, is_name};
use crate::objects::Collection;
use anyhow::{Context, Result, bail};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const COLUMNS: &str = "custom-columns=";

pub fn run(words: &[String]) -> Result<()> {
    let data_dir = crate::env_var("K3S_DATA_DIR").unwrap_or_else(|| "/var/lib/rancher/k3s".into());
    if !Path::new(&data_dir).join("server").is_dir() {
        bail!("{data_dir} is not the data folder of a server: set K3S_DATA_DIR");
    }
    let nodes = Nodes::open(Path::new(&data_dir))?;
    let switch = |name: &str| words.iter().any(|word| word == name);
    let (mut plain, mut columns) = (Vec::new(), None);
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-n" | "--namespace" => _ = rest.next().context("-n needs a namespace")?,
            "-o" => {
                let form = rest.next().and_then(|form| form.strip_prefix(COLUMNS));
                columns = Some(form.context("-o needs custom-columns=NAME:.path,...")?);
            }
            "--no-headers" | "--show-labels" | "--watch" => {}
            _ if word.starts_with('-') => bail!("unknown flag: {word}"),
            _ => plain.push(word),
        }
    }
    match plain.as_slice() {
        ["get", kind, names @ ..] => {
            let kind = match *kind {
                "node" | "nodes" => Collection::Nodes,
                "lease" | "leases" => Collection::Leases,
                other => bail!("the server doesn't have a resource type {other:?}"),
            };
            let table = Table {
                nodes: &nodes,
                kind,
                columns,
                headers: !switch("--no-headers"),
                labels: switch("--show-labels"),
            };
            match switch("--watch") {
                true => table.watch(names),
                false => table.print(names),
            }
        }
        ["delete", "secret", secret] => {
            let node = secret
                .strip_suffix(".node-password.k3s")
                .context("the only secrets are node passwords")?;
            deleted(nodes.forget_password(node)?, "secret", "secrets", secret)
        }
        ["delete", "node" | "nodes", name] => deleted(nodes.delete(name)?, "node", "nodes", name),
        _ => bail!(
            "the stand-in supports: get nodes|leases [<name>...] | delete secret <node>.node-password.k3s | \
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

/// What is printed of some objects.
struct Table<'a> {
    nodes: &'a Nodes,
    kind: Collection,
    /// `NAME:.path,...` where the columns were given.
    columns: Option<&'a str>,
    headers: bool,
    labels: bool,
}

impl Table<'_> {
    /// Prints the objects with these names, or all of them when there is no name.
    fn print(&self, names: &[&str]) -> Result<()> {
        let objects = self.nodes.objects(self.kind);
        let names = match names {
            [] => objects.names()?,
            names => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut rows = Vec::new();
        for name in &names {
            let Some(object) = objects.get(name)? else {
                let kinds = self.kind.name();
                bail!("Error from server (NotFound): {kinds} {name:?} not found");
            };
            rows.push(self.row(name, &object));
        }
        if rows.is_empty() {
            eprintln!("No resources found");
            return Ok(());
        }
        if self.headers {
            rows.insert(0, self.head());
        }
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0) + 3;
        let mut out = std::io::stdout().lock();
        for row in &rows {
            let cells = row.iter().enumerate();
            let cells: String = cells
                .map(|(at, cell)| format!("{cell:<width$}", width = width(at)))
                .collect();
            writeln!(out, "{}", cells.trim_end())?;
        }
        Ok(())
    }

    /// The same, and then each object that is written, for ever.
    fn watch(&self, names: &[&str]) -> Result<()> {
        let objects = self.nodes.objects(self.kind);
        let inotify = Inotify::init(InitFlags::empty())?;
        inotify.add_watch(objects.folder(), AddWatchFlags::IN_MOVED_TO)?;
        // An object that is written meanwhile is printed twice, and none is missed.
        self.print(names)?;
        loop {
            for event in inotify.read_events()? {
                let name = event.name.unwrap_or_default();
                let name = name.to_string_lossy();
                // It may have been deleted meanwhile.
                let object = objects.get(&name).ok().flatten();
                if let Some(object) = object.filter(|_| is_name(&name)) {
                    println!("{}", self.row(&name, &object).join("   "));
                }
            }
        }
    }

    fn head(&self) -> Vec<String> {
        let words: Vec<&str> = match self.columns {
            Some(columns) => pairs(columns).map(|(head, _)| head).collect(),
            None if self.labels => vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION", "LABELS"],
            None => vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
        };
        words.into_iter().map(String::from).collect()
    }

    fn row(&self, name: &str, object: &Value) -> Vec<String> {
        if let Some(columns) = self.columns {
            return pairs(columns).map(|(_, path)| at(object, path)).collect();
        }
        let status = match self.nodes.is_ready(name) {
            true => "Ready",
            false => "NotReady",
        };
        let created = OffsetDateTime::parse(&at(object, ".metadata.creationTimestamp"), &Rfc3339);
        let created = created.map_or(0, |time| time.unix_timestamp().unsigned_abs());
        let age = crate::log::unix_now().saturating_sub(Duration::from_secs(created));
        let version = at(object, ".status.nodeInfo.kubeletVersion");
        let mut row = vec![
            name.into(),
            status.into(),
            "<none>".into(),
            format_age(age),
            version,
        ];
        if self.labels {
            let labels = object["metadata"]["labels"].as_object();
            let labels = labels.into_iter().flatten();
            let labels =
                labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
            row.push(labels.collect::<Vec<_>>().join(","));
        }
        row
    }
}

/// The heads and the paths of `NAME:.path,...`.
fn pairs(columns: &str) -> impl Iterator<Item = (&str, &str)> {
    columns
        .split(',')
        .filter_map(|column| column.split_once(':'))
}

/// What is at a path like `.metadata.name`.
fn at(object: &Value, path: &str) -> String {
    let pointer = path.replace('.', "/");
    let value = object.pointer(&pointer).and_then(Value::as_str);
    value.unwrap_or("<none>").into()
}

/// Formats an age as kubectl does: the older, the coarser the unit.
fn format_age(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..120 => format!("{s}s"),
        s @ 120..600 => format!("{}m{}s", s / 60, s % 60),
        s @ 600..10_800 => format!("{}m", s / 60),
        s @ 10_800..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}
