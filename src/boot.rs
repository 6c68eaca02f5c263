//! The boot: its steps, their order, and what happens when a step fails.

use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::k3s::link::ServerLink;
use crate::life::pause::Pause;
use crate::life::record::Record;
use crate::life::restart::{self, StartKind};
use crate::report::format::JOINED_END;
use crate::settings::{AgentConfig, Settings};
use crate::steps::{clock, fetch, identity, join, network, prepare, register};
use anyhow::{Context, Result};
use log::{info, warn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Identity,
    Network,
    Clock,
    Prepare,
    Register,
    Fetch,
    Join,
}

/// What happens to the boot when a step fails. A step does not fail because of a problem that may
/// pass, such as a server that is down: the step retries by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFailure {
    /// The boot ends with an error. Under OpenRC's supervision muster runs all steps again later
    /// ([`crate::supervise`]).
    Stop,
    /// The boot logs a warning and goes on with the next step.
    GoOn,
}

/// The steps of a boot in their order, each with what happens when the step fails.
const BOOT: [(Step, OnFailure); 7] = [
    (Step::Identity, OnFailure::Stop), // waits for the interface, for ever if supervised, else 10 s
    (Step::Network, OnFailure::Stop),  // waits for ever; fails if no DHCP client can be started
    (Step::Clock, OnFailure::GoOn),    // takes a few seconds at most
    (Step::Prepare, OnFailure::Stop),  // fails only when k3s cannot run on this machine
    (Step::Register, OnFailure::Stop), // waits while the server is down; fails if it refuses the node
    (Step::Fetch, OnFailure::Stop),    // retries for ever, unless no mirror can deliver k3s
    (Step::Join, OnFailure::Stop),     // sends no network request
];

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Identity => "identity",
            Step::Network => "network",
            Step::Clock => "clock",
            Step::Prepare => "prepare",
            Step::Register => "register",
            Step::Fetch => "fetch",
            Step::Join => "join",
        }
    }

    /// All steps of a boot, in their order.
    pub fn all() -> impl Iterator<Item = Step> {
        BOOT.into_iter().map(|(step, _)| step)
    }

    pub fn parse(name: &str) -> Option<Step> {
        Step::all().find(|step| step.name() == name)
    }
}

/// How a boot is run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The settings file's path.
    pub conf: &'a str,
    /// The steps that the command line names. When it names none, all steps run.
    pub steps: &'a [Step],
    /// Whether OpenRC started this process (`--supervised`). Such a process may wait and retry for
    /// ever.
    pub supervised: bool,
}

impl Run<'_> {
    fn has(&self, step: Step) -> bool {
        self.steps.is_empty() || self.steps.contains(&step)
    }

    fn steps(&self) -> impl Iterator<Item = (Step, OnFailure)> {
        BOOT.into_iter().filter(|(step, _)| self.has(*step))
    }
}

/// Runs the steps in the order of the boot. If all steps are asked for, and this node has already
/// joined since the machine started, this function only restarts k3s, without a network request
/// ([`restart::by_record`] decides that).
///
/// When the join step succeeds, this function does not return, because the process has become
/// `k3s agent`.
pub fn run(host: &Host, settings: &Settings, run: &Run) -> Result<()> {
    if run.has(Step::Join) {
        host.lock_agent()?;
    }
    if run.steps.is_empty() {
        host.own_status();
        let record = restart::by_record(host, settings, run.supervised);
        if let Some(record) = record.inspect_err(|_| begin(host, run))? {
            let result = restart_k3s(host, settings, &record);
            return end(host, settings, result);
        }
        begin(host, run);
        host.blink_led(&settings.led);
    } else if host.attempts() == 0 {
        host.own_status();
    }
    let (node, fetched) = run_steps(host, settings, run)?;
    if !run.has(Step::Join) {
        info!("done");
        return Ok(());
    }
    if host.plans() {
        return join::exec(host, settings, &node);
    }
    let result = joined(host, settings, &node, fetched).and_then(|record| {
        // The record says that the server accepts the node, so it is written only when the register
        // step has run.
        if run.has(Step::Register) {
            write_record(host, &record);
        }
        become_k3s(host, settings, &record, StartKind::FullBoot)
    });
    end(host, settings, result)
}

/// Reports that k3s could not be started, if `result` is an error.
fn end(host: &Host, settings: &Settings, result: Result<()>) -> Result<()> {
    host.fail_step_on_error(result)
        // The LED was already restored, because k3s was about to start.
        .inspect_err(|_| host.blink_led(&settings.led))
        .context(Step::Join.name())
}

/// Reports a boot attempt that cannot begin, because the settings are wrong. Does nothing while
/// another muster, or k3s, is running on this node.
pub fn report_bad_settings(host: &Host, run: &Run) {
    if host.agent_pid().is_some() {
        return;
    }
    if run.steps.is_empty() {
        host.own_status();
        begin(host, run);
    } else if host.attempts() == 0 {
        host.own_status();
    }
}

fn begin(host: &Host, run: &Run) {
    host.begin_attempt(run.steps().map(|(step, _)| step.name()));
}

/// Restarts k3s from the record of this boot, without a network request.
fn restart_k3s(host: &Host, settings: &Settings, record: &Record) -> Result<()> {
    host.enter(Step::Join.name());
    host.send_log_as(&record.node);
    host.send_log_with_time();
    let found = record.log_server.as_ref();
    host.send_log_without_lookup(&settings.log_server, &record.node.interface, found);
    // The operator may have changed k3s's configuration since the boot.
    settings.agent_config(host, &record.node.name)?;
    if let Err(error) = join::keep_files(host, settings, &record.node) {
        // Only a warning, because k3s keeps its own copies of what these files hold.
        warn!("{error:#}");
    }
    write_record(host, record);
    become_k3s(host, settings, record, StartKind::ByRecord)
}

/// Runs the steps in their order. Returns this board's node, and the digest of the k3s that the
/// fetch step verified. Does not start k3s.
fn run_steps(host: &Host, settings: &Settings, run: &Run) -> Result<(Node, Option<Sha256>)> {
    // The code that can find errors in the settings comes first, so that they are reported before
    // the machine is changed.
    let net = settings.clients(host)?;
    let joins = run.has(Step::Register) || run.has(Step::Join);
    let needs_server = joins || run.has(Step::Fetch) && settings.fetch_needs_server();
    let link = match needs_server {
        true => Some(ServerLink::new(
            settings.url()?.clone(),
            settings.token(host)?,
            &net,
            settings.spread,
        )),
        false => None,
    };
    if joins {
        settings.node_secret(host)?;
    }
    let node = find_node(host, settings, run)?;
    // `muster identity` also runs on machines whose k3s muster does not manage.
    let uses_config = [Step::Prepare, Step::Register, Step::Join];
    let config = match uses_config.iter().any(|step| run.has(*step)) {
        true => settings.agent_config(host, &node.name)?,
        false => AgentConfig::default(),
    };

    let mut fetched = None;
    for (step, on_failure) in run.steps() {
        let name = step.name();
        // find_node has begun the identity step.
        if step != Step::Identity {
            host.begin_step(name);
        }
        host.send_log(&settings.log_server, &node.interface);
        let result = match (step, &link) {
            (Step::Identity, _) => identity::apply(host, &node),
            (Step::Network, _) => network::run(host, settings, &node),
            (Step::Clock, _) => clock::run(host, settings, run.conf),
            (Step::Prepare, _) => prepare::run(host, settings, &config, &node),
            (Step::Register, Some(link)) => register::run(host, settings, &node, link),
            (Step::Fetch, link) => fetch::run(host, settings, &net, &node, link.as_ref())
                .map(|digest| fetched = digest),
            (Step::Join, Some(link)) => join::run(host, settings, &node, link),
            (Step::Register | Step::Join, None) => unreachable!("link is set for these steps"),
        };
        match (host.fail_step_on_error(result), on_failure) {
            (Ok(()), _) => host.end_step(),
            (Err(error), OnFailure::GoOn) => host.log_failure(&format!("{error:#}")),
            (Err(error), OnFailure::Stop) => return Err(error.context(name)),
        }
    }
    Ok((node, fetched))
}

/// Finds this board's interface, MAC address and hostname. This begins the identity step, if it is
/// one of the steps to run.
fn find_node(host: &Host, settings: &Settings, run: &Run) -> Result<Node> {
    let name = Step::Identity.name();
    match run.has(Step::Identity) {
        true => host.begin_step(name),
        false => host.enter(name),
    }
    let wait = match run.supervised {
        true => identity::Wait::ForEver,
        false => identity::Wait::Short,
    };
    let found = identity::find(host, settings, wait);
    let node = host.fail_step_on_error(found).context(name)?;
    host.send_log_as(&node);
    host.report(|status| status.hostname(node.name.as_str()));
    Ok(node)
}

/// Determines the digest of the k3s that will run, unless the fetch step of this run has just
/// verified it (`fetched`). Returns the record of this boot. Fails when that k3s was not verified.
fn joined(
    host: &Host,
    settings: &Settings,
    node: &Node,
    fetched: Option<Sha256>,
) -> Result<Record> {
    let sha256 = fetched.map_or_else(|| restart::verified(host, settings), Ok)?;
    Ok(Record {
        node: node.clone(),
        address: host.address(&node.interface).map(|ip| ip.to_string()),
        server: settings.server()?.into(),
        tag: restart::tag(host, sha256),
        program: restart::program(settings),
        sha256,
        log_server: host.found_log_server(&settings.log_server),
    })
}

/// Writes the record, which muster reads when k3s is restarted. A failure is only a warning.
fn write_record(host: &Host, record: &Record) {
    if let Err(error) = record.write(host) {
        // /run may be full. k3s must run nevertheless.
        warn!(target: Step::Join.name(), "{error:#}: the next restart of k3s runs all steps");
    }
}

/// Records that k3s starts now, and becomes `k3s agent`. Returns only when that fails.
fn become_k3s(host: &Host, settings: &Settings, record: &Record, kind: StartKind) -> Result<()> {
    host.enter(Step::Join.name());
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
    join::exec(host, settings, &record.node)
}
