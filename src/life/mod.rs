//! Decides what runs after k3s has ended or a boot has failed, while the machine stays on. muster
//! writes the facts of the current boot to files in `/run/muster`, and a later muster process of
//! the same boot reads them. [`restart`] decides from them whether k3s is only restarted or all
//! steps run. [`health`] watches over a node while k3s runs.
//!
//! | module | what is in its file |
//! |---|---|
//! | [`record`] | who the node is, and the k3s that it joined with |
//! | `starts` | when k3s was started, and how often it ended soon after |
//! | [`pause`] | when all steps are tried again after a failure |

pub mod health;
pub mod pause;
pub mod record;
pub mod restart;
mod starts;
