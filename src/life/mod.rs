//! Decides what runs after k3s has ended or a boot attempt has failed, while the machine stays on.
//! muster writes the facts of the current boot to files in `/run/muster`, and a later muster
//! process of the same boot reads these files. From their contents, [`restart`] decides whether
//! muster only restarts k3s or runs all steps. [`health`] watches over a node while k3s runs.
//!
//! | module | what is in its file |
//! |---|---|
//! | [`record`] | the node's identity, and which k3s it runs |
//! | `starts` | when k3s was started, and how often it ended soon after |
//! | [`pause`] | when all steps are tried again after a failure |

pub mod health;
pub mod pause;
pub mod record;
pub mod restart;
mod starts;
