//! Drives the built `k3s` as boards and their agent would.

mod agent;
mod server;
mod support;
