//! muster turns a diskless, netbooted board into a k3s worker: it gives the board its hostname,
//! installs a verified k3s, and joins the cluster.
//!
//! The crate is one program; it has a library so that tests can call its modules. A module imports
//! only modules that come later in this list:
//!
//! ```text
//! main → cli → watch, name, check, supervise → arguments, logging → boot → handover
//!      → steps, life → download → settings → k3s → http → host
//!      → status, report, board, digest, paths, redact, similar, svg, text
//! ```
//!
//! Only [`boot`] knows the order of the [`steps`], and no step imports another. Only [`host`],
//! [`download::part`] and [`download::target`] change the machine. A dry run therefore runs the
//! same code, with a [`host::Host`] that prints each change instead of making it.

pub mod arguments;
pub mod board;
pub mod boot;
pub mod check;
pub mod cli;
pub mod digest;
pub mod download;
pub mod handover;
pub mod host;
pub mod http;
pub mod k3s;
pub mod life;
pub mod logging;
pub mod name;
pub mod paths;
pub mod redact;
pub mod report;
pub mod settings;
pub mod similar;
pub mod status;
pub mod steps;
pub mod supervise;
pub mod svg;
pub mod text;
pub mod watch;
