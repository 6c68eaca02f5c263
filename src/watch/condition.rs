//! Names the conditions of a board: whether it boots, is stuck or has joined.

use crate::report::led::PATIENCE;
use std::time::Duration;

/// A board that has not joined is stuck when it has been waiting, or has sent nothing, for longer
/// than this. A board that waits logs a line every 30 s, so a silent board is not just waiting. The
/// LED of a board that waits blinks fast after the same time.
pub const STUCK_AFTER: Duration = PATIENCE;

/// The condition of a board. The rack shows the boards in the order of these conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// A step or the boot has failed, and the board has reported no later state.
    Failed,
    /// The board has not joined, and has sent nothing for longer than [`STUCK_AFTER`].
    Silent,
    /// The board has been waiting for longer than [`STUCK_AFTER`].
    Stuck,
    /// The MAC address of the board is in the operator's list (`--macs`), and the board has sent
    /// nothing yet.
    Unheard,
    /// The board waits for something outside of the board, such as the k3s server.
    Waiting,
    /// The board boots.
    Booting,
    /// The board has become a node, and k3s was started.
    Joined,
}

impl Condition {
    /// Whether a person must look at this board.
    pub fn is_stuck(self) -> bool {
        self <= Condition::Stuck
    }

    /// The name in the output of `muster watch --json`.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Failed => "failed",
            Condition::Silent => "silent",
            Condition::Stuck => "stuck",
            Condition::Unheard => "unheard",
            Condition::Waiting => "waiting",
            Condition::Booting => "booting",
            Condition::Joined => "joined",
        }
    }
}
