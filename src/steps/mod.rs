//! The steps of a boot. Each step decides what must be done, and calls
//! [`Host`](crate::host::Host) to do it. No step imports another.

pub mod clock;
pub mod fetch;
pub mod identity;
pub mod join;
pub mod network;
pub mod prepare;
pub mod register;
