//! Drives the built `k3s` as boards and their agent would.

mod agent;
mod muster_answers;
mod muster_rows;
mod server;
mod support;
