//! The boot: its steps, their order, and what happens when a step fails.

use crate::board::mac::Mac;
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::handover;
use crate::host::Host;
use crate::k3s::link::ServerLink;
use crate::k3s::token::JoinToken;
use crate::life::record::Record;
use crate::life::restart;
use crate::report::led::Led;
use crate::settings::{AgentConfig, Settings};
use crate::steps::{clock, fetch, identity, join, network, prepare, register};
use anyhow::{Context, Result};

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

/// What happens to the boot when a step fails. Under OpenRC's supervision, a step with
/// [`OnFailure::Stop`] fails only because of a problem that needs a correction. When the problem
/// may pass, such as a server that is down, the step retries by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFailure {
    /// The boot ends with an error. Under OpenRC's supervision muster runs all steps again later
    /// ([`crate::supervise`]).
    Stop,
    /// The boot logs a warning and continues with the next step.
    GoOn,
}

/// The steps of a boot in their order, each with what happens when the step fails.
const BOOT: [(Step, OnFailure); 7] = [
    (Step::Identity, OnFailure::Stop), // waits for the interface, for ever if supervised, else 10 s
    (Step::Network, OnFailure::Stop),  // waits for a network; fails if no DHCP client is installed
    (Step::Clock, OnFailure::GoOn),    // takes a few seconds at most
    (Step::Prepare, OnFailure::Stop),  // fails only when k3s cannot run on this machine
    (Step::Register, OnFailure::Stop), // waits for the server; fails if the server refuses the node
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
            Step::Join => join::NAME,
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
    /// The MAC address of the board whose boot is planned, if it is not this machine. The files of
    /// the host are then those of the board's overlay.
    pub mac: Option<Mac>,
    /// Whether OpenRC supervises this process (`--supervised`). Then the identity step may wait for
    /// ever, and OpenRC starts muster again when this process ends.
    pub supervised: bool,
}

impl Run<'_> {
    fn has(&self, step: Step) -> bool {
        self.steps.is_empty() || self.steps.contains(&step)
    }

    fn board(&self) -> prepare::Board {
        match self.mac {
            Some(_) => prepare::Board::Elsewhere,
            None => prepare::Board::Here,
        }
    }

    fn steps(&self) -> impl Iterator<Item = (Step, OnFailure)> {
        BOOT.into_iter().filter(|(step, _)| self.has(*step))
    }
}

/// Runs the steps in the order of the boot. If all steps are asked for, and this node has already
/// joined since the machine started, [`restart::by_record`] decides whether this function only
/// restarts k3s, without a network request.
///
/// When k3s is started, this function does not return, because this process has become `k3s agent`.
pub fn run(host: &Host, settings: &Settings, run: &Run) -> Result<()> {
    if run.has(Step::Join) {
        host.lock_agent()?;
    }
    // A record and the LEDs are those of a machine that boots, so another board has none here.
    if run.steps.is_empty() && run.mac.is_none() {
        host.own_status();
        let record = restart::by_record(host, settings, run.supervised);
        if let Some(record) = record.inspect_err(|_| begin(host, run))? {
            let result = handover::restart(host, settings, record);
            return end(host, &settings.led, result);
        }
        begin(host, run);
        host.blink_led(&settings.led);
    } else if host.attempts() == 0 {
        host.own_status();
    }
    let (node, fetched) = run_steps(host, settings, run)?;
    if !run.has(Step::Join) {
        return Ok(());
    }
    if host.plans() {
        return handover::plan(host, settings, &node);
    }
    let accepted = run.has(Step::Register);
    let result = handover::start(host, settings, &node, fetched, accepted);
    end(host, &settings.led, result)
}

/// Reports that k3s could not be started, if `result` is an error.
fn end(host: &Host, led: &Led, result: Result<()>) -> Result<()> {
    host.fail_step_on_error(result)
        // k3s did not start, so the LED must blink. [`Host::report_start`] may have ended the
        // blinking before k3s was executed.
        .inspect_err(|_| host.blink_led(led))
        .context(Step::Join.name())
}

/// Restarts k3s with the arguments and the environment in `record`. It is called when the settings
/// cannot be read.
pub fn restart_as_before(host: &Host, record: Record) -> Result<()> {
    host.lock_agent()?;
    host.own_status();
    end(host, &Led::Auto, handover::restart_as_before(host, record))
}

/// Reports a boot attempt that cannot begin, because the settings are wrong. Does nothing while
/// another process holds the agent lock. That process is k3s, or a muster process that will become
/// k3s.
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

/// Runs the steps in their order. Returns the node of this board, and the digest of k3s if the
/// fetch step has verified k3s. Does not start k3s.
fn run_steps(host: &Host, settings: &Settings, run: &Run) -> Result<(Node, Option<Sha256>)> {
    // The code that can find errors in the settings comes first, so that they are reported before
    // the machine is changed.
    let clients = settings.clients(host);
    let joins = run.has(Step::Register) || run.has(Step::Join);
    let needs_server = joins || run.has(Step::Fetch) && settings.fetch_needs_server();
    let link = match needs_server {
        true => Some(ServerLink::new(
            settings.url()?.clone(),
            token(host, settings, run)?,
            &clients,
            settings.spread,
        )),
        false => None,
    };
    let of_plan;
    let settings = if joins && run.mac.is_some() {
        of_plan = settings.without_missing_node_secret(host);
        &of_plan
    } else {
        settings
    };
    if joins {
        settings.node_secret(host)?;
    }
    let node = find_node(host, settings, run)?;
    // Only these steps use the configuration files of k3s, so a run without them does not read the
    // files. An operator may run `muster identity` on a machine where k3s was set up without
    // muster: a problem in k3s's configuration must not make this command fail.
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
            (Step::Prepare, _) => prepare::run(host, settings, &config, &node, run.board()),
            (Step::Register, Some(link)) => register::run(host, settings, &node, link),
            (Step::Fetch, link) => fetch::run(host, settings, &clients, &node, link.as_ref())
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

/// Reads the join token. The plan of another board goes on without a token file, which may still be
/// on the server only.
fn token(host: &Host, settings: &Settings, run: &Run) -> Result<JoinToken> {
    let file = settings.token_file();
    match settings.token(host) {
        Err(error) if run.mac.is_some() && file.is_some_and(|f| host.metadata(f).is_none()) => {
            log::warn!(target: "settings", "{error}; the plan goes on without it");
            Ok(JoinToken::Unreadable)
        }
        token => token,
    }
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
    let found = match run.mac {
        Some(mac) => Ok(identity::of(settings, mac)),
        None => identity::find(host, settings, wait),
    };
    let node = host.fail_step_on_error(found).context(name)?;
    host.send_log_as(&node);
    host.report(|status| status.hostname(node.name.as_str()));
    Ok(node)
}
