//! Captures of what a namespace board sends.

use crate::{NamespaceBoard, Output, run};
use std::path::PathBuf;

/// The frames that a board sent.
pub struct Capture {
    file: PathBuf,
    tcpdump: Output,
}

impl Capture {
    /// Ends the capture; the file of it.
    pub fn file(mut self) -> PathBuf {
        self.end();
        self.file
    }

    /// Ends the capture; the frames as tcpdump prints them, with seconds since 1970 in front.
    pub fn frames(mut self) -> String {
        self.end();
        run(&[
            "tcpdump",
            "-r",
            self.file.to_str().expect("a plain path"),
            "-n",
            "-e",
            "-v",
            "-tt",
        ])
    }

    fn end(&mut self) {
        // The pid is tcpdump's: `ip netns exec` becomes the program that it runs.
        run(&["kill", "-INT", &self.tcpdump.pid().to_string()]);
        self.tcpdump.end();
    }
}

impl NamespaceBoard<'_> {
    /// Captures what passes the board's cable, from now on.
    pub fn capture(&self) -> Capture {
        let file = self.folder.with_extension("pcap");
        let mut command = self.site.command("tcpdump");
        command
            // With another user it would not be killed with this process.
            .args(["-Z", "root", "-i", &self.port, "-U", "--immediate-mode"])
            .args(["-Q", "in", "-w"])
            .arg(&file);
        let tcpdump = Output::follow(&mut command);
        tcpdump.wait_for("listening on");
        Capture { file, tcpdump }
    }
}
