//! The time axis of a picture: it computes the position of a time, and draws a line for each tick.

use super::shapes::{BARS, BARS_WIDTH, CHARACTER, text};
use crate::text::clock;
use std::fmt::Write;
use std::time::Duration;

/// The possible times between two ticks (seconds). An axis uses the shortest time that divides it
/// into at most [`TICKS_MAX`] intervals. If even the longest time is too short for that, the ticks
/// are several whole hours apart.
const TICKS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];
/// The largest number of intervals between ticks.
const TICKS_MAX: f64 = 10.0;

/// An axis of time (seconds since power-on).
#[derive(Clone, Copy, Debug, Default)]
pub struct Axis {
    /// The time at the left end.
    pub from: f64,
    /// The time at the right end.
    pub to: f64,
}

impl Axis {
    fn length(&self) -> f64 {
        (self.to - self.from).max(1.0)
    }

    /// Where a time is in the picture (pixels from the left).
    pub(super) fn x(&self, time: f64) -> f64 {
        BARS + ((time - self.from) / self.length()).clamp(0.0, 1.0) * BARS_WIDTH
    }

    /// Draws a line with its time at each tick, from the height `top` down to `bottom`.
    pub(super) fn draw(&self, out: &mut String, top: f64, bottom: f64) {
        let length = self.length();
        let enough = |tick: &f64| length / tick <= TICKS_MAX;
        let hours = || (length / TICKS_MAX / 3600.0).ceil() * 3600.0;
        let tick = TICKS.into_iter().find(enough).unwrap_or_else(hours);
        let mut time = (self.from / tick).ceil() * tick;
        // The times in a status file may be wrong, even infinite. So this loop has a limit of its
        // own.
        for _ in 0..=TICKS_MAX as usize {
            if time > self.from + length {
                break;
            }
            let (x, top) = (self.x(time), top + 5.0);
            let _ = writeln!(out, "<path class=\"g\" d=\"M{x:.1} {top}V{bottom}\"/>");
            let label = clock(Duration::try_from_secs_f64(time).unwrap_or_default());
            let half = label.len() as f64 * CHARACTER / 2.0;
            text(out, x - half, top - 5.0, "m", &label);
            time += tick;
        }
        let x = BARS + BARS_WIDTH + 4.0 * CHARACTER;
        text(out, x, top, "m", "minutes:seconds since power-on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_lines_whatever_the_times_are() {
        let drawn = |from, to| {
            let mut svg = String::new();
            Axis { from, to }.draw(&mut svg, 0.0, 100.0);
            svg
        };
        for (from, to, first, last, count) in [
            (0.0, 10.0, ">0:00<", ">0:10<", 11),
            (0.0, 75.0, ">0:00<", ">1:10<", 8),
            (3601.0, 3611.5, ">1:00:02<", ">1:00:10<", 5),
            (0.0, 36_000.0, ">0:00<", ">10:00:00<", 11),
            (0.0, 90_000.0, ">0:00<", ">24:00:00<", 9),
        ] {
            let svg = drawn(from, to);
            assert!(svg.contains(first) && svg.contains(last), "{svg}");
            assert_eq!(svg.matches("class=\"g\"").count(), count, "{svg}");
        }
        for odd in [-1.0, 1e300, f64::INFINITY, f64::NAN] {
            for (from, to) in [(0.0, odd), (odd, 0.0), (odd, odd)] {
                let svg = drawn(from, to);
                assert!(svg.matches("class=\"g\"").count() <= 11, "{from} {to}");
            }
        }
    }
}
