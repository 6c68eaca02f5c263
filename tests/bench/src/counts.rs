//! Instruction counts by callgrind. They hardly depend on what else the machine does, so a change
//! of a few percent is seen.

use crate::site::{Site, tag};
use crate::{output, run};
use std::fs;
use std::path::Path;

/// The counts that the repository holds: a line `<name> <instructions>` for each.
const FILE: &str = "tests/bench/instructions.txt";
/// How far a count may be from the one in the file (percent).
const TOLERANCE: f64 = 3.0;

/// The instructions of a fetch, an identity and a dry run.
pub fn count(site: &Site, muster: &Path) -> Vec<(&'static str, u64)> {
    let (root, muster) = (site.path("root"), muster.display());
    let muster = format!("{muster} --root {}", root.display());
    let fetch = format!(
        "{muster} --set MUSTER_MIRRORS={} --set INSTALL_K3S_VERSION={} \
         --set SSL_CERT_FILE=/ca.pem fetch",
        site.loopback(),
        tag(8)
    );
    let plan = format!("{muster} --set K3S_URL=https://10.0.0.2:6443 --dry-run");
    [
        ("fetch-8MB", fetch),
        ("identity", format!("{muster} identity")),
        ("dry-run", plan),
    ]
    .map(|(name, command)| {
        run(&site.new_root());
        (name, instructions(&command))
    })
    .into()
}

/// Identity sets the hostname, so each command has a host name of its own.
fn instructions(command: &str) -> u64 {
    let script = format!(
        "exec env -i PATH=\"$PATH\" unshare -u valgrind --tool=callgrind \
         --callgrind-out-file=/dev/null {command} 2>&1"
    );
    let text = output(&["sh", "-c", &script]);
    text.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind counted nothing:\n{text}"))
}

/// Writes the counts into the repository.
pub fn write(counts: &[(&str, u64)]) {
    let lines = counts.iter().map(|(name, n)| format!("{name} {n}\n"));
    fs::write(FILE, lines.collect::<String>()).unwrap();
}

/// Compares the counts with those in the repository. Returns whether all are within the tolerance.
pub fn check(counts: &[(&str, u64)]) -> bool {
    let text = fs::read_to_string(FILE).expect(FILE);
    let mut all_near = true;
    for (name, now) in counts {
        let expected = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{FILE} has no {name}"));
        let change = (*now as f64 / expected as f64 - 1.0) * 100.0;
        let near = change.abs() <= TOLERANCE;
        all_near &= near;
        let verdict = if near { "ok" } else { "changed" };
        println!("{name}: {now} instructions, {change:+.2} % of {expected}: {verdict}");
    }
    if !all_near {
        println!("more than {TOLERANCE} %: where that is wanted, `make counts` writes {FILE} anew");
    }
    all_near
}
