//! muster turns a diskless, netbooted board into a named, verified, joined k3s worker.
//!
//! The crate is one program; the library exists so that tests can reach its parts. Imports point
//! one way:
//!
//! ```text
//! main → cli → arguments, name, check, supervise → boot → steps, life → download → settings → k3s → http
//!      → host → status, board, digest, paths, redact
//! ```
//!
//! [`boot`] alone knows the order of the [`steps`], and no step imports another. Only [`host`],
//! [`download::part`] and [`download::target`] change the machine, so a dry run is the same code with
//! a [`host::Host`] that prints each effect instead of performing it.

pub mod arguments;
pub mod board;
pub mod boot;
pub mod check;
pub mod cli;
pub mod digest;
pub mod download;
pub mod host;
pub mod http;
pub mod k3s;
pub mod life;
pub mod logging;
pub mod name;
pub mod paths;
pub mod redact;
pub mod settings;
pub mod status;
pub mod steps;
pub mod supervise;
