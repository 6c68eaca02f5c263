//! Both OpenRC's shell and muster read `/etc/conf.d/muster`. Where muster accepts a line, the shell
//! must read the same value.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests stay outside the agent's single place for effects"
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
fn conf_d_values_match_the_shell() {
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
    // If the shell stopped early, the comparison below shows the line at which it did.
    let _ = writer.join().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut printed = printed.split('\0');
    for (line, value) in lines {
        assert_eq!(printed.next(), Some(&*value), "{line}");
    }
}
