//! Tests the built stand-in as a board and its agent use it.

mod agent;
mod crowd;
mod muster_answers;
mod muster_check;
mod muster_rows;
mod server;
mod support;
