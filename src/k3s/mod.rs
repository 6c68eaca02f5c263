//! k3s as muster sees it from outside: its join tokens, its releases and its server's protocol.

pub mod agent_flags;
pub mod channel;
pub mod link;
pub mod password;
mod refusal;
pub mod release;
pub mod server;
pub mod token;
pub mod yaml;
