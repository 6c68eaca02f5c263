//! Standard output and standard error whose reader has gone.

use crate::root::{Root, stderr};
use std::fs::File;
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

#[test]
fn a_full_disk_is_an_error() {
    let root = Root::new();
    root.write("rack", "52:54:00:00:00:07\n");
    let rack = root.path("rack").display().to_string();
    let watch = ["watch", "--listen", "127.0.0.1:0", "--macs", &rack];
    for arguments in [&["--help"][..], &watch] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = root.command(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = stderr(&output);
        assert!(
            error.contains("cannot write to standard output: "),
            "{error}"
        );
    }
}

/// It prints the listed boards at once. 10,000 of them have room.
#[test]
fn a_watch_whose_reader_has_gone_ends() {
    let root = Root::new();
    let rack: String = (0..10_001).map(|n| format!("5254{n:08x}\n")).collect();
    let (full, _) = rack.rsplit_once("52").unwrap();
    for (rack, status) in [
        ("5254007\n", 2),
        ("525400000007\n", 0),
        (full, 0),
        (&rack, 2),
    ] {
        root.write("rack", rack);
        let rack = root.path("rack").display().to_string();
        let mut command = root.command(&["watch", "--listen", "127.0.0.1:0", "--macs", &rack]);
        command.stdout(closed()).stderr(Stdio::null());
        assert_eq!(command.status().unwrap().code(), Some(status));
    }
}
