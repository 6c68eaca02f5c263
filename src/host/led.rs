//! Makes a LED blink while the board boots, by the kernel's `timer` trigger (Linux,
//! Documentation/leds/leds-class.rst).

use super::Host;
use crate::paths;
use crate::report::led::{AUTO, Led, Rhythm};
use anyhow::{Context, Result};
use log::{debug, warn};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::fs;

/// The kernel's folder of LEDs.
const LEDS: &str = "/sys/class/leds";
/// The trigger that makes a LED blink.
const TIMER: &str = "timer";

/// The state of a LED before muster changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Original {
    name: String,
    trigger: String,
    brightness: String,
}

/// The LED that blinks, if there is one, and its rhythm.
#[derive(Default)]
pub(super) struct Blinking {
    original: RefCell<Option<Original>>,
    rhythm: Cell<Option<Rhythm>>,
}

impl Host {
    /// Makes the LED that `led` names blink until [`Host::restore_led`] is called. When the board
    /// has no such LED, nothing blinks, and there is a warning if the operator named the LED.
    pub fn blink_led(&self, led: &Led) {
        let exists = |name: &&str| self.metadata(file(name, "trigger")).is_some();
        let name = match led {
            Led::No => return,
            Led::Auto => AUTO.iter().copied().find(exists),
            Led::Named(name) => Some(name.as_str()).filter(exists),
        };
        let Some(name) = name else {
            if let Led::Named(name) = led {
                let existing = match self.list(LEDS) {
                    none if none.is_empty() => "none".into(),
                    names => names.join(", "),
                };
                warn!(
                    "there is no LED {name} (MUSTER_LED); the LEDs of this board are: {existing}"
                );
            }
            return;
        };
        let blink = || {
            let original = self.original(name)?;
            *self.blinking.original.borrow_mut() = Some(original);
            self.blinking.rhythm.set(None);
            self.set_rhythm(Rhythm::Working);
            Ok(())
        };
        if let Err(error) = self.effect(
            format_args!("make the LED {name} blink until k3s starts"),
            blink,
        ) {
            warn!("{error:#}");
        }
    }

    /// Changes the rhythm of the LED that blinks. Does nothing when no LED blinks.
    pub fn set_rhythm(&self, rhythm: Rhythm) {
        let original = self.blinking.original.borrow();
        let Some(Original { name, .. }) = original.as_ref() else {
            return;
        };
        if self.blinking.rhythm.replace(Some(rhythm)) == Some(rhythm) {
            return;
        }
        let milliseconds = rhythm.milliseconds().to_string();
        let set = || -> Result<()> {
            self.write_led(name, "trigger", TIMER)?;
            self.write_led(name, "delay_on", &milliseconds)?;
            self.write_led(name, "delay_off", &milliseconds)
        };
        if let Err(error) = set() {
            debug!("{error:#}");
        }
    }

    /// Ends the blinking: the LED gets the state that it had before muster changed it. This also
    /// works when an earlier muster process of this boot made the LED blink.
    pub fn restore_led(&self) {
        let original = self.blinking.original.take();
        let Some(original) = original.or_else(|| self.noted()) else {
            return;
        };
        let Original {
            name,
            trigger,
            brightness,
        } = original;
        let restore = || -> Result<()> {
            self.write_led(&name, "trigger", &trigger)?;
            if trigger == "none" {
                self.write_led(&name, "brightness", &brightness)?;
            }
            self.remove_note(paths::LED)
        };
        if let Err(error) = restore() {
            debug!("{error:#}");
        }
    }

    /// The state of the LED before muster changed it. If an earlier muster process of this boot has
    /// written that state to the note [`paths::LED`], it is read from there. Else it is the present
    /// state, and is written to the note.
    fn original(&self, name: &str) -> Result<Original> {
        if let Some(noted) = self.noted().filter(|noted| noted.name == name) {
            return Ok(noted);
        }
        let triggers = self.read_text(file(name, "trigger"))?;
        let brightness = self.read_text(file(name, "brightness"))?;
        let original = Original {
            name: name.into(),
            trigger: active(&triggers).into(),
            brightness: brightness.trim().into(),
        };
        let note = json!({
            "name": original.name,
            "trigger": original.trigger,
            "brightness": original.brightness,
        });
        self.write_note(paths::LED, &format!("{note}\n"))?;
        Ok(original)
    }

    fn noted(&self) -> Option<Original> {
        let note: Value = serde_json::from_str(&self.read_text(paths::LED.path).ok()?).ok()?;
        let text = |name: &str| note[name].as_str().map(String::from);
        Some(Original {
            name: text("name")?,
            trigger: text("trigger")?,
            brightness: text("brightness")?,
        })
    }

    fn write_led(&self, name: &str, attribute: &str, text: &str) -> Result<()> {
        let path = file(name, attribute);
        if self.plans() {
            return Ok(());
        }
        fs::write(self.path(&path), text).with_context(|| format!("cannot write {text} to {path}"))
    }
}

fn file(name: &str, attribute: &str) -> String {
    format!("{LEDS}/{name}/{attribute}")
}

/// The active trigger in the text of a LED's file `trigger`. The file lists all triggers, with the
/// active one in brackets.
fn active(triggers: &str) -> &str {
    let (_, rest) = triggers.split_once('[').unwrap_or_default();
    rest.split_once(']').map_or("none", |(active, _)| active)
}

#[cfg(test)]
mod tests;
