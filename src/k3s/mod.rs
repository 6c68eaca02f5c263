//! Handles what is specific to k3s: its join tokens, its releases and channels, its node passwords,
//! and the requests to its server.

pub mod agent_flags;
pub mod channel;
pub mod link;
pub mod password;
mod refusal;
pub mod release;
pub mod server;
pub mod token;
pub mod yaml;
