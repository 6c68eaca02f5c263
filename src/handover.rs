//! Starts k3s at the end of a boot and at each restart. It writes the record of this boot and the
//! time of the start, and replaces this process with `k3s agent` (exec).

use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::life::pause::Pause;
use crate::life::record::Record;
use crate::life::restart::{self, StartKind};
use crate::report::format::JOINED_END;
use crate::settings::Settings;
use crate::steps::join;
use anyhow::Result;
use log::warn;
use std::path::Path;

/// Becomes k3s after the steps of a boot. `fetched` is the digest of the k3s that the fetch step of
/// this run has just verified; without it, k3s is verified now. `accepted` tells whether the server
/// has accepted the node in this run. Returns only when k3s was not verified or could not be
/// started.
pub fn start(
    host: &Host,
    settings: &Settings,
    node: &Node,
    fetched: Option<Sha256>,
    accepted: bool,
) -> Result<()> {
    let sha256 = fetched.map_or_else(|| restart::verified(host, settings), Ok)?;
    let (arguments, environment) = join::command(host, settings, node)?;
    let record = Record {
        node: node.clone(),
        address: host.address(&node.interface).map(|ip| ip.to_string()),
        server: settings.server()?.into(),
        tag: restart::tag(host, sha256),
        program: restart::program(settings),
        sha256,
        arguments,
        environment,
        log_server: host.found_log_server(&settings.log_server),
    };
    // The record says that the server has accepted the node, so it is written only if this is true.
    if accepted {
        write_record(host, &record);
    }
    become_k3s(host, &record, StartKind::FullBoot)
}

/// Prints what [`start`] would start. For a dry run.
pub fn plan(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let (arguments, environment) = join::command(host, settings, node)?;
    let program = restart::program(settings);
    host.exec(Path::new(&program), &arguments, &environment)
}

/// Restarts k3s from the record of this boot, without a network request.
pub fn restart(host: &Host, settings: &Settings, mut record: Record) -> Result<()> {
    host.enter(join::NAME);
    host.send_log_as(&record.node);
    host.send_log_with_time();
    let found = record.log_server.as_ref();
    host.send_log_without_lookup(&settings.log_server, &record.node.interface, found);
    // The operator may have changed k3s's configuration since the boot, so it is checked again.
    settings.agent_config(host, &record.node.name)?;
    if let Err(error) = join::keep_files(host, settings, &record.node) {
        // Only a warning, because the files that the boot wrote usually still exist.
        warn!("{error:#}");
    }
    (record.arguments, record.environment) = join::command(host, settings, &record.node)?;
    restart_as_before(host, record)
}

/// Restarts k3s with the arguments and the environment of the record. It reads no settings, so it
/// works also when the settings cannot be read.
pub fn restart_as_before(host: &Host, mut record: Record) -> Result<()> {
    // k3s uses the address that the node has when k3s starts, so this address belongs in the
    // record. [`crate::life::health`] compares it with the later addresses.
    if let Some(address) = host.address(&record.node.interface) {
        record.address = Some(address.to_string());
    }
    write_record(host, &record);
    become_k3s(host, &record, StartKind::ByRecord)
}

/// Writes the record, which muster reads when k3s is restarted. A failure is only a warning.
fn write_record(host: &Host, record: &Record) {
    if let Err(error) = record.write(host) {
        // /run may be full. k3s must run nevertheless.
        warn!(target: join::NAME, "{error:#}; so the next restart of k3s may run all steps of a boot");
    }
}

/// Records that k3s starts now, and becomes `k3s agent`. Returns only when that fails.
fn become_k3s(host: &Host, record: &Record, kind: StartKind) -> Result<()> {
    host.enter(join::NAME);
    let tag = record.tag.as_deref().unwrap_or("(version unknown)");
    host.set_k3s_version(tag);
    host.report_start(kind == StartKind::FullBoot);
    restart::note_start(host, kind);
    Pause::forget(host);
    let starting = format!("starting {} {JOINED_END}", record.program);
    host.log_joined(&match kind {
        StartKind::ByRecord => starting,
        StartKind::FullBoot => format!(
            "{} is ready {:.1} s after power-on, with the address {} and k3s {tag}; {starting}",
            record.node.name,
            host.uptime().as_secs_f64(),
            record.address.as_deref().unwrap_or("(none)"),
        ),
    });
    let program = Path::new(&record.program);
    host.exec(program, &record.arguments, &record.environment)
}
