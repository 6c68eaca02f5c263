//! The steps of a boot.

pub mod fetch;
