//! The rows of the table.

use crate::measure::{Subject, Times, in_turn, median, peak_anonymous};
use crate::site::{SIZES, Site, has_root, tag};
use crate::{counts, output, program, run};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = "docs/performance.md";
/// The table stands between these two lines.
const MARKS: [&str; 2] = ["<!-- make bench -->\n", "<!-- end -->\n"];
/// The size of a k3s of today (MB).
const K3S: u64 = 80;

/// Measures all rows and writes them into the document.
pub fn write(site: &Site, muster: &Path) {
    let mut text = machine();
    text += "\n| what | wall, s | CPU, s | wall, first row = 1 |\n|---|---|---|---|\n";
    let loopback = site.loopback();
    text += &rows("loopback", &downloads(site, muster, &loopback, true), 11);
    if has_root() {
        for (rate, runs) in [("1gbit", 5), ("100mbit", 3)] {
            let url = site.link(rate);
            text += &rows(rate, &downloads(site, muster, &url, false), runs);
        }
    }
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
    let first = median(&measured[0].wall);
    let mut text = String::new();
    for (subject, Times { wall, cpu }) in subjects.iter().zip(&measured) {
        let shown = |times: &[f64]| {
            let (min, max) = (times[0], times[times.len() - 1]);
            format!("{:.3} ({min:.3} to {max:.3})", median(times))
        };
        let ratio = median(wall) / first;
        let name = &subject.name;
        let (wall, cpu) = (shown(wall), shown(cpu));
        writeln!(text, "| {group}: {name} | {wall} | {cpu} | {ratio:.2} |").unwrap();
    }
    text
}

fn subject(name: &str, before: &str, command: String) -> Subject {
    Subject {
        name: name.into(),
        before: before.into(),
        command,
    }
}

fn fetch(site: &Site, muster: &Path, mirror: &str, size: u64) -> Subject {
    let command = format!(
        "exec env -i {} --root {} --set MUSTER_MIRRORS={mirror} --set INSTALL_K3S_VERSION={} \
         --set SSL_CERT_FILE=/ca.pem fetch",
        muster.display(),
        site.path("root").display(),
        tag(size)
    );
    subject("muster fetch", &site.new_root(), command)
}

fn downloads(site: &Site, muster: &Path, mirror: &str, with_pipeline: bool) -> Vec<Subject> {
    let curl = format!("curl -s --cacert {}", site.path("ca.pem").display());
    let url = format!("{mirror}/{}", tag(K3S));
    let root = site.path("root");
    let before = site.new_root();
    let pipeline = format!(
        "cd {} && {curl} -O {url}/k3s && {curl} -O {url}/sha256sum-amd64.txt && \
         sha256sum -c --quiet sha256sum-amd64.txt && chmod 755 k3s && mv k3s etc/k3s",
        root.display()
    );
    let mut subjects = vec![
        subject(
            "curl -o /dev/null",
            &before,
            format!("exec {curl} -o /dev/null {url}/k3s"),
        ),
        fetch(site, muster, mirror, K3S),
    ];
    if with_pipeline {
        subjects.push(subject("curl, sha256sum -c, mv", &before, pipeline));
    }
    subjects
}

/// The right k3s is installed already, so only its digest is computed.
fn restarts(site: &Site, muster: &Path) -> Vec<Subject> {
    let again = fetch(site, muster, &site.loopback(), K3S);
    run(&again.before);
    run(&format!("( {} ) 2>/dev/null", again.command));
    let installed = site.path("root/usr/local/bin/k3s");
    let digest = format!("exec sha256sum {}", installed.display());
    vec![
        subject("sha256sum of the installed k3s", ":", digest),
        subject("muster fetch again", ":", again.command),
    ]
}

fn identities(site: &Site, muster: &Path) -> Vec<Subject> {
    let root = site.path("root");
    let (root, muster) = (root.display(), muster.display());
    let before = site.new_root();
    let pipeline = format!(
        "sha1sum {root}/sys/class/net/eth0/address | head -c 6 | awk '{{print \"worker-\" $0}}'"
    );
    // muster sets the hostname, so both have one of their own.
    let own = |command: &str| format!("exec unshare -u sh -c '{}'", command.replace('\'', "'\\''"));
    let muster = format!("exec {muster} --root {root} identity");
    vec![
        subject("sha1sum, head, awk", &before, own(&pipeline)),
        subject("muster identity", &before, own(&muster)),
    ]
}

fn versions(muster: &Path) -> Vec<Subject> {
    let version = format!("exec {} --version", muster.display());
    vec![
        subject("true", ":", "exec env true".into()),
        subject("muster --version", ":", version),
    ]
}

fn name_lists(site: &Site, muster: &Path) -> Vec<Subject> {
    let lists = [1_000, 10_000, 100_000, 1_000_000_u32].map(|n| {
        let path = site.path(&format!("macs-{n}"));
        let mac = |i: u32| {
            let [_, a, b, c] = i.to_be_bytes();
            format!("52:54:00:{a:02x}:{b:02x}:{c:02x}\n")
        };
        fs::write(&path, (0..n).map(mac).collect::<String>()).unwrap();
        // With 12 digits no two names are the same.
        let command = format!(
            "exec {} --set MUSTER_HOSTNAME_LENGTH=12 name - <{}",
            muster.display(),
            path.display()
        );
        subject(&format!("{n} addresses"), ":", command)
    });
    lists.into()
}
