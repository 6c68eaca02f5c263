//! Faults of the board's disk and files.

use crate::lab::Lab;
use crate::plan::{Fault, Part};
use muster_labs::Board;
use std::fs;
use std::path::PathBuf;

const SETTINGS: &str = "/etc/conf.d/muster";
const TOKEN: &str = "/etc/muster/token";

impl Lab<'_> {
    /// Fills the board's disk or frees it.
    pub(crate) fn change_disk(&self) {
        let script = match self.fault_of(Part::Disk) {
            Some(_) => "dd if=/dev/zero of=/tmp/fill bs=4k",
            None => "rm -f /tmp/fill",
        };
        // To fill a disk ends with an error.
        self.board.try_shell(script);
    }

    /// Changes a line of the settings, or puts the right settings back.
    pub(crate) fn change_settings(&self) {
        let right = self.right(SETTINGS);
        let Some(Fault::Settings(line)) = self.fault_of(Part::Settings) else {
            self.put_back(SETTINGS);
            return;
        };
        let (name, _) = line.split_once('=').expect("a setting");
        let right = fs::read_to_string(right).expect("the settings");
        let others = right.lines().filter(|other| !other.starts_with(name));
        let others: String = others.map(|other| format!("{other}\n")).collect();
        self.replace(SETTINGS, &format!("{others}{line}\n"));
    }

    /// Changes the token or removes it, or puts the right one back.
    pub(crate) fn change_token(&self) {
        let right = self.right(TOKEN);
        match self.fault_of(Part::Token) {
            Some(Fault::TokenMissing) => {
                // Another fault may have removed it.
                let _ = fs::remove_file(self.board.path(TOKEN));
            }
            Some(_) => {
                let right = fs::read_to_string(right).expect("the token");
                let (start, _) = right.rsplit_once(':').expect("a token with a user");
                self.replace(TOKEN, &format!("{start}:wrong\n"));
            }
            None => self.put_back(TOKEN),
        }
    }

    /// The right file under another name, as a second link: it needs no room when the disk is full.
    fn right(&self, path: &str) -> PathBuf {
        let right = self.board.path(&format!("{path}.right"));
        if !right.exists() {
            fs::hard_link(self.board.path(path), &right).expect("a link");
        }
        right
    }

    fn put_back(&self, path: &str) {
        let new = self.new_file(path);
        fs::hard_link(self.right(path), &new).expect("a link");
        fs::rename(new, self.board.path(path)).expect("the right file");
    }

    /// The name of the file that will replace this one.
    fn new_file(&self, path: &str) -> PathBuf {
        let new = self.board.path(&format!("{path}.new"));
        // A rename does nothing when both names are links to one file, so one may be left.
        let _ = fs::remove_file(&new);
        new
    }

    /// Replaces a file as an editor does. When the disk is full, the file stays as it is.
    fn replace(&self, path: &str, text: &str) {
        let new = self.new_file(path);
        match fs::write(&new, text) {
            Ok(()) => fs::rename(&new, self.board.path(path)).expect("the other file"),
            Err(_) => fs::remove_file(&new).expect("the unfinished file"),
        }
    }
}
