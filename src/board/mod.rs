//! The board and its identity: MAC address, hostname, and both of them together as a node.

pub mod hostname;
pub mod mac;
pub mod node;
