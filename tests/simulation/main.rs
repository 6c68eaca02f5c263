//! Simulates the boards of a whole site that power on, with muster's own backoff and its own spread
//! of first requests. The table in `docs/mirrors.md` is the output. The simulation leaves out packet
//! loss, slow boards, and other work of the server.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests stay outside the agent's single place for effects"
)]

mod requests;
mod shared;
mod site;

use requests::SCRYPTS;
use site::{K3S, LINK, SCRYPT, Simulation, Site, Until};

/// The sites of the table: boards, how many of them power on in each minute, `MUSTER_SPREAD`, when
/// the server starts, mirrors, and the server's cores.
const SITES: [(usize, usize, u64, u64, usize, usize); 12] = [
    (1, 1, 2, 0, 1, 4),
    (50, 50, 2, 0, 1, 4),
    (300, 300, 2, 0, 1, 4),
    (300, 300, 210, 0, 1, 4),
    (300, 300, 210, 120, 1, 4),
    (300, 300, 150, 0, 4, 4),
    (1_000, 1_000, 2, 0, 1, 4),
    (1_000, 1_000, 700, 0, 1, 4),
    (1_000, 1_000, 500, 0, 4, 4),
    (1_000, 1_000, 175, 0, 4, 16),
    (10_000, 10_000, 1_250, 0, 16, 16),
    (10_000, 500, 60, 0, 16, 16),
];

/// Formats a time for the table.
fn format_time(micros: f64) -> String {
    match micros / 1e6 {
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds if seconds < 100.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| boards | power-on | spread | mirrors | server cores | links alone | last download | last join | requests a board | most scrypts at once |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (boards, group, spread, server, mirrors, cores) in SITES {
        let site = Site {
            boards,
            group,
            spread,
            server,
            mirrors,
            cores,
        };
        let outcome = Simulation::new(site, Until::Joined).run();
        let alone = boards as f64 * K3S / LINK / mirrors as f64;
        let power_on = match (group == boards, server) {
            (true, 0) => "at once".into(),
            (true, _) => "at once, the server 2 min later".into(),
            (false, _) => format!("{group} a minute"),
        };
        table += &format!("| {boards} | {power_on} | {spread} | {mirrors} | {cores} | ");
        if outcome.done < boards {
            assert_eq!(
                spread, 2,
                "{boards} boards do not join with a spread of {spread}"
            );
            table += &format!(
                "{} | never | never | - | {} |\n",
                format_time(alone * 1e6),
                outcome.most
            );
            continue;
        }
        let (download, join) = (outcome.downloaded_at as f64, outcome.done_at as f64);
        // The result must not be faster than the links and the cores allow.
        let computing = (boards * SCRYPTS) as f64 * SCRYPT;
        assert!(download / 1e6 >= alone && join * cores as f64 >= computing);
        assert!(outcome.most_admitted <= 10);
        let requests = outcome.requests as f64 / boards as f64;
        table += &format!(
            "{} | {} | {} | {requests:.0} | {} |\n",
            format_time(alone * 1e6),
            format_time(download),
            format_time(join),
            outcome.most
        );
    }
    table
}

#[test]
fn docs_mirrors_md_has_the_simulated_table() {
    let document = include_str!("../../docs/mirrors.md");
    let table = table();
    assert!(
        document.contains(&table),
        "docs/mirrors.md does not have this table:\n{table}"
    );
}

/// The rule in the page: boards * max(2 / cores, 0.7 / mirrors). With it, no board asks twice.
#[test]
fn with_the_spread_of_the_rule_hardly_a_request_is_repeated() {
    for (boards, group, spread, server, mirrors, cores) in SITES {
        let rule = (boards as f64) * (2.0 / cores as f64).max(0.7 / mirrors as f64);
        if group == boards && spread > 2 {
            assert_eq!(spread, rule.ceil() as u64);
            let site = Site {
                boards,
                group,
                spread,
                server,
                mirrors,
                cores,
            };
            let outcome = Simulation::new(site, Until::Joined).run();
            assert!(
                outcome.requests as f64 <= 12.5 * boards as f64,
                "{}",
                outcome.requests
            );
            assert!(outcome.most <= 40, "{}", outcome.most);
        }
    }
}

/// 300 boards and a server of two cores, with the spread of the rule and without one: every board
/// joins or registers in the end, and the server never holds more certificate requests than it admits.
#[test]
fn none_of_300_boards_is_refused_for_good_by_two_cores() {
    for (spread, until) in [(300, Until::Joined), (2, Until::Registered)] {
        let site = Site {
            boards: 300,
            group: 300,
            spread,
            server: 0,
            mirrors: 1,
            cores: 2,
        };
        let outcome = Simulation::new(site, until).run();
        assert_eq!(outcome.done, 300, "spread {spread}");
        assert!(
            (1..=10).contains(&outcome.most_admitted),
            "spread {spread}: {} at a time",
            outcome.most_admitted
        );
    }
}

/// Without a spread the server is overloaded at first. Each try costs it a scrypt, also one that it
/// refuses, so the boards would never register if their pauses did not grow.
#[test]
fn a_crowd_without_a_spread_registers_in_the_end() {
    for (boards, cores) in [(300, 2), (2_000, 4), (10_000, 16)] {
        let site = Site {
            boards,
            group: boards,
            spread: 2,
            server: 0,
            mirrors: 1,
            cores,
        };
        let outcome = Simulation::new(site, Until::Registered).run();
        assert_eq!(outcome.done, boards);
    }
}
