//! A root shell on a machine, over a virtio serial port.

use crate::tools::wait_for;
use crate::{MACHINE_PATIENCE, Output, PATIENCE};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The host's end of the shell.
pub struct Shell {
    stream: Mutex<UnixStream>,
    commands: AtomicU32,
}

impl Shell {
    /// Connects to the socket that QEMU makes. This must be before the guest opens its end, or it would read an end of file.
    pub fn connect(socket: &Path, console: &Output) -> Shell {
        let stream = wait_for("QEMU's socket", PATIENCE, || {
            assert!(!console.has_ended(), "QEMU ended: {}", console.text());
            UnixStream::connect(socket).ok()
        });
        let limit = Some(MACHINE_PATIENCE);
        stream.set_read_timeout(limit).expect("a time limit");
        Shell {
            stream: Mutex::new(stream),
            commands: AtomicU32::new(0),
        }
    }

    /// Runs a command line; its exit status and all its output. It waits for the shell to be there.
    pub fn run(&self, label: &str, script: &str) -> (i32, String) {
        let mark = format!("--done-{}--", self.commands.fetch_add(1, Ordering::Relaxed));
        let mut stream = self.stream.lock().unwrap();
        let line = format!("{{ {script}\n}} </dev/null 2>&1; echo {mark} $?\n");
        let sent = stream.write_all(line.as_bytes());
        sent.unwrap_or_else(|error| panic!("{label}: {script}: {error}"));
        let (mut got, mut chunk) = (Vec::new(), [0; 65536]);
        loop {
            let text = String::from_utf8_lossy(&got).replace('\r', "");
            if let Some((output, rest)) = text.split_once(&format!("{mark} "))
                && let Some((status, _)) = rest.split_once('\n')
            {
                return (status.parse().expect("an exit status"), output.into());
            }
            match stream.read(&mut chunk) {
                Ok(0) => panic!("{label}: it ended during {script:?}: {text}"),
                Ok(length) => got.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{label}: {script:?}: {error}: {text}"),
            }
        }
    }
}
