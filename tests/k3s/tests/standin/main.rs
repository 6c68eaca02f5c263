//! Tests the built stand-in as a board and its agent use it.

mod agent;
mod server;
mod support;
