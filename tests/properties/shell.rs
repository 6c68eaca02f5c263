//! The settings file has two readers, OpenRC's shell and muster: where muster reads a value, the shell must read the same.

#![allow(
    clippy::disallowed_methods,
    reason = "a test looks from outside; the seam is for the agent"
)]

use crate::random::Random;
use muster::settings::sources::conf_assignments;
use std::io::Write;
use std::process::{Command, Stdio};

const LINES: usize = 20_000;
const PIECES: [&str; 30] = [
    "'", "\"", "\\", "\\\"", "\\$", "\\\\", "$", "`", "#", " ", " #", "\t", "~", ":~", "=", "a",
    "b ", "'c d'", "\"e f\"", "*", "?", "[x]", "{g,h}", "!", ";", "&", "|", "(", "%", "-",
];

#[test]
fn settings_are_read_as_the_shell_reads_them() {
    let mut random = Random::new(0x7368);
    let mut lines = Vec::new();
    while lines.len() < LINES {
        let text = (0..random.below(6))
            .map(|_| random.of(&PIECES))
            .collect::<String>();
        let line = format!("A={text}");
        if let [(1, _, Ok(value))] = conf_assignments(&line).as_slice() {
            lines.push((line, value.clone()));
        }
    }
    let script: String = lines
        .iter()
        .map(|(line, _)| format!("A=\n{line}\nprintf '%s\\0' \"$A\"\n"))
        .collect();
    let mut shell = Command::new("sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut stdin = shell.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = shell.wait_with_output().unwrap();
    // When the shell gave up on the way, the line that it gave up at shows below.
    let _ = writer.join().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut said = said.split('\0');
    for (line, value) in lines {
        assert_eq!(said.next(), Some(&*value), "{line}");
    }
}
