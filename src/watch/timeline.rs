//! Keeps when the steps of a board's boot began and ended, for a picture.

use super::datagram::Report;
use crate::boot::Step;
use crate::report::format::State;
use std::time::Duration;

/// The number of steps.
const STEPS: usize = Step::Join as usize + 1;

/// The steps of a board's last boot attempt.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    attempt: Option<u32>,
    spans: [Option<Span>; STEPS],
}

/// When a step began, and when it ended. Before its end, `to` is the time of the last report about
/// the step. Both are times since power-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Duration,
    pub to: Duration,
    /// Whether the step is done.
    pub is_done: bool,
}

impl Timeline {
    /// Whether the report is about a step that an operator runs by hand, such as `muster fetch`.
    /// Such a step is not a part of the boot, so its report has no number of a boot attempt.
    ///
    /// A report without this number is nevertheless not about such a step in these cases:
    /// - The board has never reported the number of a boot attempt.
    /// - The report is about a restart of k3s. It names the step `join`, or it has neither a step
    ///   nor a state.
    /// - The report has no MAC address, because a log server has removed the structured data, and
    ///   the number with it.
    pub fn is_by_hand(&self, report: &Report) -> bool {
        let is_of_boot = report.attempt.is_some() || self.attempt.is_none();
        let is_of_restart = match report.step {
            Some(step) => step == Step::Join,
            None => report.state.is_none(),
        };
        !is_of_boot && !is_of_restart && report.mac.is_some()
    }

    /// Updates the timeline with a report of the board. A new boot attempt begins a new timeline. A
    /// restart of k3s, which belongs to no attempt, changes nothing.
    pub fn hear(&mut self, report: &Report) {
        let (Some(step), Some(uptime)) = (report.step, report.uptime) else {
            return;
        };
        if report.attempt.is_none() && step == Step::Join {
            return;
        }
        if report.attempt.is_some() && report.attempt != self.attempt {
            *self = Timeline {
                attempt: report.attempt,
                ..Timeline::default()
            };
        }
        let span = self.spans[step as usize].get_or_insert(Span {
            from: uptime,
            to: uptime,
            is_done: false,
        });
        if !span.is_done {
            span.to = uptime;
            span.is_done = matches!(report.state, Some(State::Done | State::Joined));
        }
    }

    /// The steps that have begun, in the order of the boot.
    pub fn spans(&self) -> impl Iterator<Item = (Step, Span)> {
        Step::all().filter_map(|step| Some((step, self.spans[step as usize]?)))
    }
}

#[cfg(test)]
mod tests;
