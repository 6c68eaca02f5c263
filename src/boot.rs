//! The boot: which steps there are, in which order, and what becomes of a boot when one fails.

use crate::host::Host;
use crate::http::Clients;
use crate::k3s::server::ServerLink;
use crate::settings::Settings;
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

/// What becomes of the boot when a step fails. What only time can heal, a step waits out by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFailure {
    /// The boot ends; OpenRC starts it again later.
    Stop,
    /// The boot goes on, with a warning.
    GoOn,
}

/// The boot, in order.
const BOOT: [(Step, OnFailure); 7] = [
    (Step::Identity, OnFailure::Stop), // after 10 s without the interface
    (Step::Network, OnFailure::Stop), // waits for ever; stops where the image has no DHCP client to wait with
    (Step::Clock, OnFailure::GoOn),   // bounded to a few seconds
    (Step::Prepare, OnFailure::Stop), // only for what k3s cannot run without
    (Step::Register, OnFailure::Stop), // waits for a server that is down; stops where it refuses
    (Step::Fetch, OnFailure::Stop),   // tries for ever while a mirror may still get right
    (Step::Join, OnFailure::Stop),    // asks nobody
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

    /// All steps, in the order of the boot.
    pub fn all() -> impl Iterator<Item = Step> {
        BOOT.into_iter().map(|(step, _)| step)
    }

    pub fn parse(name: &str) -> Option<Step> {
        Step::all().find(|step| step.name() == name)
    }
}

/// Runs the steps of `chosen` in the order of the boot; all of them when it is empty. `conf` is the settings file's path.
///
/// With the join step among them it does not return from a boot that went well: this process is `k3s agent` then.
pub fn run(host: &Host, settings: &Settings, conf: &str, chosen: &[Step]) -> Result<()> {
    let chosen = |step: Step| chosen.is_empty() || chosen.contains(&step);
    // Whatever is wrong with the settings shows before the first effect.
    let net = Clients::new(
        settings.https_proxy.as_deref(),
        settings.no_proxy.as_deref(),
        settings.ca_file(host),
    )?;
    let needs_server = chosen(Step::Register)
        || chosen(Step::Join)
        || chosen(Step::Fetch) && settings.fetch_needs_server();
    let link = match needs_server {
        true => Some(ServerLink::new(
            settings.url()?.clone(),
            settings.token(host)?,
            &net,
        )),
        false => None,
    };
    if chosen(Step::Register) || chosen(Step::Join) {
        settings.node_secret(host)?;
    }
    host.enter(Step::Identity.name());
    let node = identity::find(host, settings).context(Step::Identity.name())?;
    host.report(|status| {
        status.begin(
            node.name.as_str(),
            Step::all().filter(|step| chosen(*step)).map(Step::name),
        )
    });

    for (step, on_failure) in BOOT.into_iter().filter(|(step, _)| chosen(*step)) {
        let name = step.name();
        host.enter(name);
        host.report(|status| status.start(name, host.uptime()));
        let result = match (step, &link) {
            (Step::Identity, _) => identity::apply(host, &node),
            (Step::Network, _) => network::run(host, settings, &node),
            (Step::Clock, _) => clock::run(host, settings, conf),
            (Step::Prepare, _) => prepare::run(host, settings),
            (Step::Register, Some(link)) => register::run(host, settings, &node, link),
            (Step::Fetch, link) => fetch::run(host, settings, &net, &node, link.as_ref()),
            (Step::Join, Some(link)) => join::run(host, settings, &node, link),
            (Step::Register | Step::Join, None) => unreachable!("these steps have a server"),
        };
        let error = result.as_ref().err().map(|error| format!("{error:#}"));
        host.report(|status| status.end(name, host.uptime(), error.as_deref()));
        match (result, on_failure) {
            (Ok(()), _) => {}
            (Err(error), OnFailure::GoOn) => warn!(target: name, "{error:#}"),
            (Err(error), OnFailure::Stop) => return Err(error.context(name)),
        }
    }
    match &link {
        Some(link) if chosen(Step::Join) => {
            join::exec(host, settings, &node, link).context(Step::Join.name())
        }
        _ => {
            info!("done");
            Ok(())
        }
    }
}
