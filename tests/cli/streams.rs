//! Standard output and standard error whose reader has gone.

use crate::root::Root;
use std::io;
use std::process::{Command, Stdio};

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_stream_changes_no_exit_status() {
    let root = Root::new();
    let cases: [(&[&str], i32); 5] = [
        (&["--dry-run"], 0),
        (&["--help"], 0),
        (&["name", "b8:27:eb:00:00:01"], 0),
        (&["status"], 1),
        (&["--dry-run", "--set", "MUSTER_DHCP=perhaps"], 2),
    ];
    let streams: [fn(&mut Command); 2] = [
        |command| _ = command.stdout(closed()),
        |command| _ = command.stderr(closed()),
    ];
    for (arguments, status) in cases {
        for close in streams {
            let mut command = root.command(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            close(&mut command);
            let ended = command.status().unwrap();
            assert_eq!(ended.code(), Some(status), "{arguments:?}");
        }
    }
}
