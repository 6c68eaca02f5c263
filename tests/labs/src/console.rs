//! A machine's console as an operator uses it, and what OpenRC tells there.

use crate::{MACHINE_PATIENCE, Output};

/// The states of a board's services.
#[derive(Clone, Debug)]
pub struct Services {
    /// What `rc-status -a` printed.
    listing: String,
}

impl Services {
    pub(crate) fn of(listing: impl Into<String>) -> Services {
        let listing = listing.into();
        Services { listing }
    }

    /// A service's state, such as `started`.
    pub fn state(&self, service: &str) -> &str {
        let listing = &self.listing;
        let mut words = listing
            .split(|c: char| c.is_whitespace() || "[]".contains(c))
            .filter(|word| !word.is_empty());
        // On a terminal the state may be on another line than the service.
        let found = words.find(|word| *word == service);
        let state = found.and_then(|_| words.next());
        state.unwrap_or_else(|| panic!("no {service} in {listing}"))
    }
}

/// Logs in at the console of the board with this name as root, and asks for the states of its services.
pub(crate) fn log_in(console: &Output, name: &str) -> Services {
    let wait = |start, word: &str| console.wait_from(start, word, MACHINE_PATIENCE);
    wait(0, &format!("{name} login: "));
    let start = console.lines().len();
    console.type_text("root\n");
    // What is typed before the prompt is thrown away.
    wait(start, &format!("{name}:~# "));
    let start = console.lines().len();
    // The shell prints the line as it is typed: the word that ends the answer must not be in it.
    console.type_text("rc-status -a; echo end-of-$((40 + 2))\n");
    wait(start, "end-of-42");
    let lines = console.lines();
    Services::of(
        lines[start..]
            .iter()
            .map(|line| line.text.clone() + "\n")
            .collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use super::Services;

    #[test]
    fn a_state_is_found_on_the_same_line_and_on_the_next() {
        let services = Services::of(
            "Runlevel: default\n muster            [  started 00:00:44 (0) ]\n hwclock\n[  stopped  ]\n",
        );
        assert_eq!(services.state("muster"), "started");
        assert_eq!(services.state("hwclock"), "stopped");
    }
}
