//! `muster name`: hostnames from MAC addresses.

use crate::root::{Root, assert_one_line, stderr, stdout};
use std::io::Write;
use std::process::{Command, Output, Stdio};

#[test]
fn hostnames_match_the_shell_pipeline() {
    // A thousand random addresses. An even first byte makes an address unicast.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let macs: Vec<String> = (0..1000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let b = state.to_be_bytes();
            format!(
                "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                b[0] & 0xfe,
                b[1],
                b[2],
                b[3],
                b[4],
                b[5] | 1
            )
        })
        .collect();
    let script = r#"while read -r mac; do
        echo "$mac" > address
        sha1sum address | head -c 6 | awk -v mac="$mac" '{print mac " worker-" $0}'
    done"#;
    let folder = tempfile::tempdir().unwrap();
    let expected = piped(
        Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path()),
        &macs.join("\n"),
    );
    let root = Root::new();
    let output = piped(&mut root.command(&["name", "-"]), &macs.join("\n"));
    assert_eq!(stdout(&expected).lines().count(), 1000);
    assert_eq!(stdout(&output), stdout(&expected));
}

/// Runs a command with this text as its standard input.
fn piped(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{input}\n").as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn name_reads_arguments_and_files_and_reports_collisions() {
    let root = Root::new();
    let output = root.muster(&["name", "b8:27:eb:00:00:01", "DC-A6-32-01-02-03"]);
    assert_eq!(
        stdout(&output),
        "b8:27:eb:00:00:01 worker-b5b697\ndc:a6:32:01:02:03 worker-43dfae\n"
    );
    root.write(
        "rack",
        "# rack 1\nb8:27:eb:00:00:01\n\n52:54:00:12:34:56 # spare\n",
    );
    let file = root.path("rack");
    let output = root.muster(&["name", file.to_str().unwrap()]);
    assert_eq!(
        stdout(&output),
        "b8:27:eb:00:00:01 worker-b5b697\n52:54:00:12:34:56 worker-64e59a\n"
    );
    // The same address twice is no collision. Of 17 boards with one hex digit each, two collide.
    assert!(
        root.muster(&["name", "b8:27:eb:00:00:01", "b8:27:eb:00:00:01"])
            .status
            .success()
    );
    let many: Vec<String> = (1..=17)
        .map(|n| format!("b8:27:eb:00:00:{n:02x}"))
        .collect();
    let mut arguments = vec!["--set", "MUSTER_HOSTNAME_LENGTH=1", "name"];
    arguments.extend(many.iter().map(String::as_str));
    let output = root.muster(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("MUSTER_HOSTNAME_LENGTH"),
        "{}",
        stderr(&output)
    );
    assert_one_line(
        "garbage",
        &root.muster(&["name", "b8:27"]),
        &["MAC=\"b8:27\" (command line)"],
    );
}
