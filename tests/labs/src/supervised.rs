//! The muster service of a namespace board, supervised as by OpenRC.

use crate::{NamespaceBoard, Output};
use std::fs;

impl NamespaceBoard<'_> {
    /// Starts the service with a supervisor that restarts it: its log.
    pub fn supervise(&self) -> Output {
        let script = "/sbin/supervise";
        fs::write(self.path(script), include_str!("supervise.sh")).expect("the supervisor");
        Output::follow(&mut self.command(&["sh", script]))
    }
}
