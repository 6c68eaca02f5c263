//! A site and its boards on one machine: network, UTS, mount and PID namespaces, with real dnsmasq, udhcpc, nginx and TLS.
//!
//! The one stand-in is k3s (`tests/k3s`); the tests wait for its own words, so a real k3s does not pass them yet.
//! that is made is taken away when its value is dropped.

mod board;
mod output;
mod site;
mod tools;

pub use board::{Board, Capture};
pub use output::{Line, Output};
pub use site::{Options, Site};
pub use tools::{k3s, muster, run, wait_for};

/// How long the lab waits for what it expects: a machine under load is slow, and a test that hangs says nothing.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
