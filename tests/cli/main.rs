//! The command line as its users see it: the built program, run below a root folder of its own.
//! Tests that need root or the board's own binary are in `tests/labs`.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests stay outside the agent's single place for effects"
)]

mod agent_config;
mod bad_files;
mod bad_settings;
mod check;
mod docs;
mod drawings;
mod dry_run;
mod literals;
mod log_server;
mod manual;
mod message_words;
mod names;
mod pictures;
mod root;
mod settings;
mod status;
mod streams;
mod structure;
mod troubleshooting;
mod watch;
mod watching;
