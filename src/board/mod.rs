//! The identity of a board: [`mac`] is its MAC address, [`hostname`] derives its hostname, and
//! [`node`] holds both.

pub mod hostname;
pub mod mac;
pub mod node;
