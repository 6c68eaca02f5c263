//! muster turns a diskless, netbooted board into a named, verified, joined k3s worker.
//!
//! Imports point one way: `cli` → `boot` → `steps` → helpers → `host`. `boot` alone knows the order of the steps; steps never
//! import each other; `host` and `part` alone have effects.

pub mod backoff;
pub mod boot;
pub mod check;
pub mod cli;
pub mod digest;
pub mod download;
pub mod host;
pub mod hostname;
pub mod http;
pub mod mac;
pub mod machine;
pub mod node;
pub mod part;
pub mod release;
pub mod server;
pub mod settings;
pub mod status;
pub mod steps;
pub mod token;
