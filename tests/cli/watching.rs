//! A running `muster watch`, and what boards send to it.

use crate::root::Root;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when its test ends, also when the test fails.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// A running `muster watch`, and a socket to send from.
pub struct Watching {
    root: Root,
    pub child: Killed,
    pub lines: Receiver<String>,
    pub socket: UdpSocket,
}

impl Watching {
    pub fn start(arguments: &[&str], files: &[(&str, &str)]) -> Watching {
        let root = Root::new();
        for (path, text) in files {
            root.write(path, text);
        }
        let mut child = root
            .command(&["watch", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(root.folder())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut listening = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut listening).unwrap();
        let (_, address) = listening.trim().rsplit_once(' ').unwrap();
        let address: SocketAddr = address.parse().unwrap();
        let (send, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines() {
                send.send(line.unwrap()).unwrap();
            }
        });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        Watching {
            root,
            child: Killed(child),
            lines,
            socket,
        }
    }

    /// A file in the working directory of the program.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path(path)
    }

    pub fn say(&self, line: &str) {
        self.socket.send(line.as_bytes()).unwrap();
    }

    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

/// A line of the board with this number, with more parameters and a text.
pub fn line(board: usize, severity: u8, step: &str, params: &str, text: &str) -> String {
    format!(
        "<{}>1 - worker-{board} muster 1 {step} [muster@32473 mac=\"52:54:00:00:00:{board:02x}\" \
         ip=\"192.0.2.{board}\" {params}] {text}",
        24 + severity
    )
}
