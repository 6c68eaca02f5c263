//! The rows of the table.

use crate::measure::{Subject, Times, in_turn, median, peak_anonymous};
use crate::site::{SIZES, Site, has_root};
use crate::subjects::{boards, downloads, fetch, identities, name_lists, restarts, versions};
use crate::{counts, output, program};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = "docs/performance.md";
/// The table stands between these two lines.
const MARKS: [&str; 2] = ["<!-- make bench -->\n", "<!-- end -->\n"];

/// Measures all rows and writes them into the document.
pub fn write(site: &Site, muster: &Path) {
    let mut text = machine();
    text += "\n| what | wall, s | CPU, s | wall, first row = 1 | CPU, first row = 1 |\n|---|---|---|---|---|\n";
    let loopback = site.loopback();
    text += &rows("loopback", &downloads(site, muster, &loopback, true), 11);
    if has_root() {
        for (rate, runs) in [("1gbit", 5), ("100mbit", 3)] {
            let url = site.link(rate);
            text += &rows(rate, &downloads(site, muster, &url, false), runs);
        }
    }
    text += &rows("boards", &boards(site, muster), 5);
    text += &rows("done", &restarts(site, muster), 11);
    text += &rows("name", &identities(site, muster), 21);
    text += &rows("start", &versions(muster), 21);
    text += &rows("`muster name`", &name_lists(site, muster), 3);
    text += "\n| download, MB | peak of anonymous memory, KiB |\n|---|---|\n";
    for size in &SIZES[1..] {
        let peak = peak_anonymous(&fetch(site, muster, &loopback, *size));
        writeln!(text, "| {size} | {peak} |").unwrap();
    }
    text += "\n| program | bytes | gzipped |\n|---|---|---|\n";
    for arch in ["aarch64", "x86_64"] {
        let path = program(arch);
        let bytes = fs::metadata(&path).map_or(0, |meta| meta.len());
        let gzip = format!("gzip -9c '{}' | wc -c", path.display());
        let gzipped = output(&["sh", "-c", &gzip]);
        writeln!(text, "| {arch} | {bytes} | {} |", gzipped.trim()).unwrap();
    }
    text += "\n| command | instructions (callgrind) |\n|---|---|\n";
    for (name, count) in counts::count(site, muster) {
        writeln!(text, "| {name} | {count} |").unwrap();
    }
    print!("{text}");
    let document = fs::read_to_string(DOCUMENT).expect(DOCUMENT);
    let (head, rest) = document.split_once(MARKS[0]).expect("no mark for a table");
    let (_, tail) = rest.split_once(MARKS[1]).expect("no mark for its end");
    let [start, end] = MARKS;
    fs::write(DOCUMENT, format!("{head}{start}{text}{end}{tail}")).unwrap();
}

fn machine() -> String {
    let shell = |command| output(&["sh", "-c", command]).trim().to_string();
    format!(
        "Commit {} of {}, on {} CPUs ({}), Linux {}, load {} at the start; {}.\n",
        shell("git describe --always --dirty"),
        shell("date +%F"),
        shell("nproc"),
        shell("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1"),
        shell("uname -r"),
        shell("cut -d' ' -f1 /proc/loadavg"),
        shell("curl --version | head -n 1 | cut -d' ' -f1,2,4,5"),
    )
}

fn rows(group: &str, subjects: &[Subject], runs: usize) -> String {
    let measured = in_turn(subjects, runs);
    let first = [&measured[0].wall, &measured[0].cpu].map(|times| median(times));
    let mut text = String::new();
    for (subject, Times { wall, cpu }) in subjects.iter().zip(&measured) {
        let shown = |times: &[f64]| {
            let (min, max) = (times[0], times[times.len() - 1]);
            format!("{:.4} ({min:.4} to {max:.4})", median(times))
        };
        let ratios = format!(
            "{:.2} | {:.2}",
            median(wall) / first[0],
            median(cpu) / first[1]
        );
        let name = &subject.name;
        let (wall, cpu) = (shown(wall), shown(cpu));
        writeln!(text, "| {group}: {name} | {wall} | {cpu} | {ratios} |").unwrap();
    }
    text
}
