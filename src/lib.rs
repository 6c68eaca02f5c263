//! muster turns a diskless, netbooted board into a named, verified, joined k3s worker.
//!
//! Imports point one way: `cli` → `boot` → `steps` → helpers → `host`. `boot` alone knows the order of the steps; steps never
//! import each other; `host` alone has effects.

pub mod digest;
pub mod host;
pub mod hostname;
pub mod mac;
pub mod release;
pub mod token;
