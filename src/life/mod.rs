//! The life of a node after its first boot: what a boot notes in `/run/muster`, and what a later
//! process of the same boot does with it ([`restart`]).
//!
//! | module | what it notes |
//! |---|---|
//! | [`record`] | who the node is, and the k3s that it joined with |
//! | `starts` | when k3s was started, and how often it died soon after |
//! | [`pause`] | when the boot is tried again after a failure |

pub mod pause;
pub mod record;
pub mod restart;
mod starts;
