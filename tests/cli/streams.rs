//! Standard output and standard error whose reader has gone, and a terminal without a size.

use crate::root::{Root, stderr};
use crate::watching::Killed;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
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
    let full = &rack[..10_000 * "525400000000\n".len()];
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

/// Some serial consoles do not tell their size.
#[test]
fn a_terminal_without_a_size_counts_as_one_of_80_columns_and_24_rows() {
    let root = Root::new();
    root.write("rack", "525400000007\n");
    let program = env!("CARGO_BIN_EXE_muster");
    let folder = root.folder().display();
    for size in ["cols 0 rows 8", "cols 60 rows 0"] {
        let command = format!(
            "stty {size}; exec {program} --root {folder} watch --listen 127.0.0.1:0 --macs {folder}/rack"
        );
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env_clear();
        let script = script.env("PATH", std::env::var_os("PATH").unwrap());
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = Killed(script.spawn().unwrap());
        let output = BufReader::new(script.0.stdout.take().unwrap());
        let lines = output.lines().map(Result::unwrap);
        let shown: Vec<String> = lines.take(10).collect();
        let is_row = |line: &String| line.contains("not heard yet  ");
        assert!(shown.iter().any(is_row), "{size}: {shown:?}");
    }
}
