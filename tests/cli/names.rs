//! `muster name`: hostnames from MAC addresses.

use crate::root::{Root, assert_one_line, stderr, stdout};
use std::collections::BTreeSet;
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

#[test]
fn a_list_on_standard_input_needs_no_dash() {
    let root = Root::new();
    let output = piped(&mut root.command(&["name"]), "b8:27:eb:00:00:01\n");
    assert_eq!(stdout(&output), "b8:27:eb:00:00:01 worker-b5b697\n");

    let nothing = piped(&mut root.command(&["name"]), "");
    assert_eq!(nothing.status.code(), Some(2));
    assert_one_line("nothing", &nothing, &["no MAC address was given"]);
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
    // One board needs no advice about the length of the names.
    let output = root.muster(&["name", "b8:27:eb:00:00:01"]);
    assert_eq!(stderr(&output), "");
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
    let error = stderr(&output);
    assert!(
        error.contains("set MUSTER_HOSTNAME_LENGTH=3 or more"),
        "{error}"
    );
    assert_one_line(
        "garbage",
        &root.muster(&["name", "b8:27"]),
        &["MAC=\"b8:27\" (command line)"],
    );
}

#[test]
fn the_shortest_length_is_one_without_a_collision() {
    let root = Root::new();
    let boards: Vec<String> = (0..100)
        .map(|n| format!("b8:27:eb:00:01:{n:02x}"))
        .collect();
    let named = |length: &str| {
        let set = format!("MUSTER_HOSTNAME_LENGTH={length}");
        let mut command = root.command(&["--set", &set, "name", "-"]);
        piped(&mut command, &boards.join("\n"))
    };
    let said = stderr(&named("40"));
    let (_, said) = said.split_once("muster: name: ").unwrap();
    let shortest: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(said.contains(" with which these 100 boards have different hostnames"));
    assert!(named(&shortest.to_string()).status.success());
    let output = named(&(shortest - 1).to_string());
    assert_eq!(output.status.code(), Some(1));
    let remedy = format!("set MUSTER_HOSTNAME_LENGTH={shortest} or more on all boards");
    assert!(stderr(&output).contains(&remedy), "{}", stderr(&output));
}

/// With all 40 digits, the names are the hashes, so that the collisions can be counted here.
#[test]
fn the_names_of_100_000_boards_and_the_shortest_length_are_right() {
    let mut macs = String::new();
    for n in 0..100_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        macs += &format!("b8:27:eb:{a:02x}:{b:02x}:{c:02x}\n");
    }
    let root = Root::new();
    root.write("macs", &macs);
    let file = root.path("macs").display().to_string();
    let all = [
        "--set",
        "MUSTER_HOSTNAME_LENGTH=40",
        "name",
        "--json",
        &file,
    ];
    let output = root.muster(&all);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let boards = json["boards"].as_array().unwrap();
    let names = boards.iter().map(|board| board["name"].as_str().unwrap());
    assert_eq!(boards.len(), 100_000);
    let hashes: Vec<&str> = names.map(|n| n.strip_prefix("worker-").unwrap()).collect();
    let different = |length: usize| {
        let names: BTreeSet<&str> = hashes.iter().map(|hash| &hash[..length]).collect();
        names.len()
    };
    let shortest = json["shortest_length"].as_u64().unwrap() as usize;
    assert_eq!(different(shortest), 100_000);
    assert!(different(shortest - 1) < 100_000);
}

#[test]
fn name_prints_json() {
    let root = Root::new();
    let one_digit = ["--set", "MUSTER_HOSTNAME_LENGTH=1", "name", "--json", "-"];
    let neighbours = "192.0.2.7 dev eth0 lladdr dc:a6:32:01:02:03 REACHABLE\n\
                      192.0.2.8 dev eth0 lladdr b8:27:eb:00:00:01 STALE\n\
                      fe80::1 dev eth0 lladdr dc:a6:32:01:02:03 router STALE\n\
                      192.0.2.9 dev eth0 FAILED";
    let output = piped(&mut root.command(&one_digit), neighbours);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = serde_json::json!({
        "format": 1,
        "boards": [
            { "mac": "dc:a6:32:01:02:03", "name": "worker-4" },
            { "mac": "b8:27:eb:00:00:01", "name": "worker-b" },
        ],
        "collisions": [],
        "length": 1,
        "shortest_length": 1,
    });
    assert_eq!(json, expected);
    assert!(output.status.success());
    let boards: Vec<String> = (0..40).map(|n| format!("b827eb0000{n:02}")).collect();
    let output = piped(&mut root.command(&one_digit), &boards.join(" "));
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let groups = json["collisions"].as_array().unwrap();
    let named = |group: &serde_json::Value| group["macs"].as_array().unwrap().len();
    assert!(groups.iter().all(|group| named(group) > 1));
    let error = stderr(&output);
    assert!(
        error.contains("; number of other hostnames that several boards have: "),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn an_error_in_a_list_names_its_file_and_line() {
    let root = Root::new();
    root.write(
        "table",
        "Address HWtype HWaddress Flags Mask Iface\n10.0.0.7 ether b8:27 C eth0\n",
    );
    let file = root.path("table").display().to_string();
    let place = format!("MAC=\"b8:27\" ({file} line 2): not a MAC address");
    assert_one_line("table", &root.muster(&["name", &file]), &[&place]);
    let folder = root.folder().display().to_string();
    let output = root.muster(&["name", &folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("cannot read {folder}: ")));
}
