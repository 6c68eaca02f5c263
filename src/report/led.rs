//! The LED that shows the state of the boot. `docs/led.md` lists what each rhythm means.

use std::time::Duration;

/// Which LED blinks: the value of `MUSTER_LED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led {
    No,
    /// The first of [`AUTO`] that the board has.
    Auto,
    /// The LED with this name below `/sys/class/leds`.
    Named(String),
}

/// The LEDs that are looked for, in this order. A Raspberry Pi has ACT and PWR, which older kernels
/// call led0 and led1.
pub const AUTO: [&str; 4] = ["ACT", "led0", "PWR", "led1"];

impl Led {
    /// Parses the value of `MUSTER_LED`; `None` when it cannot be the name of a LED.
    pub fn parse(text: &str) -> Option<Led> {
        match text {
            "auto" => Some(Led::Auto),
            "no" => Some(Led::No),
            "." | ".." => None,
            _ => (!text.contains('/')).then(|| Led::Named(text.into())),
        }
    }
}

/// How the LED blinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// The boot is under way.
    Working,
    /// A person is needed: the boot has failed, or a step waits for longer than [`PATIENCE`].
    Stuck,
}

/// How long a step may wait before a person is needed.
pub const PATIENCE: Duration = Duration::from_secs(60);

impl Rhythm {
    /// How long the LED is on, and then off (milliseconds).
    pub fn milliseconds(self) -> u64 {
        match self {
            Rhythm::Working => 500,
            Rhythm::Stuck => 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_rhythms() {
        let page = include_str!("../../docs/led.md");
        for rhythm in [Rhythm::Working, Rhythm::Stuck] {
            let times = format!("{0} ms on, {0} ms off", rhythm.milliseconds());
            assert!(page.contains(&times), "{times}");
        }
        let seconds = format!("longer than {} s", PATIENCE.as_secs());
        assert!(page.contains(&seconds), "{seconds}");
        let names = AUTO.map(|name| format!("`{name}`")).join(", ");
        assert!(page.contains(&names), "{names}");
    }

    #[test]
    fn a_name_is_a_name_below_the_folder() {
        assert_eq!(Led::parse("no"), Some(Led::No));
        let named = Some(Led::Named("green:status".into()));
        assert_eq!(Led::parse("green:status"), named);
        for text in ["..", ".", "a/b", "/sys/class/leds/ACT"] {
            assert_eq!(Led::parse(text), None, "{text}");
        }
    }
}
