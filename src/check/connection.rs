//! Checks the interface and its address, the default route, the resolver, and the clock.

use super::report::{Report, State};
use crate::board::node::Node;
use crate::host::Host;
use crate::host::network_time::TOLERANCE;
use crate::host::routes::{has_resolver, refused_resolver};
use crate::paths;
use crate::settings::{AgentConfig, Settings};
use crate::steps::network::Missing;
use crate::steps::{clock, network};
use std::time::Duration;

/// Checks the network of this board, and compares its clock with a time server. `conf` is the path
/// of the settings file.
pub fn check(
    report: &mut Report,
    host: &Host,
    settings: &Settings,
    node: Option<&Node>,
    conf: &str,
) {
    match node {
        Some(node) => {
            if let Err(error) = interface(report, host, settings, node) {
                report.all_unknown(&["address", "route", "resolver"], &format!("{error:#}"));
            }
        }
        None => report.all_unknown(
            &["carrier", "address", "route", "resolver"],
            "not checked: the interface is not known",
        ),
    }
    match clock::lag(host, conf) {
        Some(lag) => report.missing(
            "clock",
            format_args!(
                "the time of this board's clock is {} s earlier than the build of muster or the last \
                 change of the settings file; the clock step of a boot sets the clock",
                lag.as_secs()
            ),
        ),
        None => network_time(report, host, settings, conf),
    }
}

/// Whether the report says that the interface has an address. Without an address, no server is
/// asked.
pub fn is_up(report: &Report) -> bool {
    report.has("address", State::Ok)
}

fn interface(
    report: &mut Report,
    host: &Host,
    settings: &Settings,
    node: &Node,
) -> anyhow::Result<()> {
    let interface = node.interface.as_str();
    let missing = network::all_missing(host, interface)?;
    let not_yet = network::not_started(host, settings, node)?;
    let is_down = network::is_down(host, interface)?;
    let no_address = missing
        .iter()
        .any(|missing| matches!(missing, Missing::Address | Missing::Lease));
    let mut row = |what, kinds: &[Missing], fine: String| {
        let found = missing.iter().find(|missing| kinds.contains(missing));
        match found {
            None if what == "carrier" && is_down => report.unknown(
                what,
                format_args!(
                    "{interface} is down, so the kernel does not know whether there is a carrier"
                ),
            ),
            None => report.ok(what, fine),
            Some(Missing::Route | Missing::Resolver) if no_address && settings.dhcp => report
                .unknown(
                    what,
                    "not known yet: the route and the resolver come with the address",
                ),
            Some(Missing::Address) if not_yet.is_some() => {
                report.missing(what, not_yet.as_deref().unwrap_or_default())
            }
            Some(missing) => report.missing(what, missing.message(host, interface, settings.dhcp)),
        }
    };
    row(
        "carrier",
        &[Missing::Carrier],
        format!("{interface} has a carrier"),
    );
    let address = host.address(interface).map(|address| address.to_string());
    let address = format!("{interface} has {}", address.unwrap_or_default());
    row("address", &[Missing::Address, Missing::Lease], address);
    row(
        "route",
        &[Missing::Route],
        "there is a default route".into(),
    );
    row(
        "resolver",
        &[Missing::Resolver],
        "/etc/resolv.conf names a resolver".into(),
    );
    Ok(())
}

/// Warns of a DNS server that keeps k3s from giving its pods the others.
pub fn resolver_of_pods(report: &mut Report, host: &Host, config: &AgentConfig) {
    let text = host.read_text(paths::RESOLV_CONF.path).unwrap_or_default();
    if let (true, None, Some(server)) = (
        has_resolver(&text),
        config.get("resolv-conf"),
        refused_resolver(&text),
    ) {
        report.warning(
            "resolver",
            format_args!(
                "k3s gives all pods the DNS server 8.8.8.8, because /etc/resolv.conf names \
                 {server}, which pods cannot ask: take it out of what the DHCP server \
                 (option 6) or the IPv6 router sends, or give k3s another file (K3S_RESOLV_CONF)"
            ),
        );
    }
}

/// Compares the clock with a time server.
fn network_time(report: &mut Report, host: &Host, settings: &Settings, conf: &str) {
    let Some(servers) = &settings.ntp else {
        return report.ok("clock", "no time server is asked (MUSTER_NTP=no)");
    };
    if !is_up(report) || !report.has("resolver", State::Ok) {
        return report.unknown(
            "clock",
            "no time server was asked: there is no address or no resolver",
        );
    }
    match host.first_answer(servers.places(host), clock::earliest(host, conf)) {
        Ok((server, time)) => report.ok("clock", difference(host.now(), &server, time)),
        Err(error) => report.warning("clock", format_args!("{error:#}")),
    }
}

/// Tells how far the clock is from the time of a server. Any difference is acceptable, because the
/// clock step of a boot corrects the clock.
fn difference(now: Duration, server: &str, time: Duration) -> String {
    let difference = now.abs_diff(time);
    let seconds = difference.as_secs_f64();
    match difference < TOLERANCE {
        true => format!("the clock agrees with {server}"),
        false if now < time => format!("the clock is {seconds:.1} s behind {server}"),
        false => format!("the clock is {seconds:.1} s ahead of {server}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_may_be_half_a_second_off() {
        let server = Duration::from_secs(1000);
        for (millis, expected) in [
            (998_500, "the clock is 1.5 s behind x"),
            (999_500, "the clock is 0.5 s behind x"),
            (999_501, "the clock agrees with x"),
            (1_000_499, "the clock agrees with x"),
            (1_000_500, "the clock is 0.5 s ahead of x"),
        ] {
            let now = Duration::from_millis(millis);
            assert_eq!(difference(now, "x", server), expected);
        }
    }
}
