//! A site and its boards on one machine, with real dnsmasq, nginx, chrony, udhcpc and TLS.
//!
//! A [`Site`] is one segment with all its services, in a network namespace of its own. A [`Board`] is either a set of namespaces
//! ([`NamespaceBoard`], which starts in milliseconds) or a QEMU machine that boots Alpine ([`MachineBoard`]). Only k3s is a
//! stand-in (`tests/k3s`), and its server may be a real one (`K3S`). Whatever is made ends with its value, and also when the test process is killed.

mod board;
mod capture;
mod console;
mod isolation;
mod machine;
mod namespace;
mod output;
mod overlay;
mod records;
mod restart;
pub mod scenarios;
mod server;
mod services;
mod shell;
mod site;
mod spawn;
mod supervised;
mod tools;
mod tree;

pub use board::{Board, Kind};
pub use capture::Capture;
pub use console::Services;
pub use machine::{Firmware, MachineBoard};
pub use namespace::NamespaceBoard;
pub use output::{Line, Output};
pub use overlay::Overlay;
pub use records::Request;
pub use restart::restart;
pub use server::{ASKED, is_standin, needs_standin, server_k3s};
pub use services::Service;
pub use site::{ADDRESS, ADDRESS_V6, BRIDGE, Options, Site};
pub use tools::{cache, host_program, mix, muster, run, wait_for};

/// How long the labs wait for an event: a machine under load is slow, and a test that hangs has no message.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// The same for what an emulated machine does.
pub const MACHINE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(240);
