//! `muster status --svg` and `muster watch --svg`: pictures that a browser can show, whatever the
//! texts in them are.

use crate::root::{Root, assert_one_line, stderr, stdout};
use crate::watching::{Killed, PATIENCE, Watching, line};
use muster::status::Status;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

const EVIL: &str = "</text><script>alert(1)</script>\"'&\u{1b}[2J";
const ESCAPED: &str = "&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;?[2J";

/// Asserts that a picture is well-formed XML of the elements that pictures have. Returns its texts.
fn texts(svg: &str) -> Vec<&str> {
    let elements = [
        "svg", "title", "style", "pattern", "path", "rect", "text", "g",
    ];
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    let first = svg.strip_prefix('<').unwrap_or_else(|| panic!("{svg}"));
    for part in first.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("{part}"));
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{part}"),
            None => {
                let name = tag.split([' ', '/']).next().unwrap();
                assert!(elements.contains(&name), "{part}");
                assert_eq!(tag.matches('"').count() % 2, 0, "{part}");
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
        for entity in text.split('&').skip(1) {
            let known = ["lt;", "gt;", "amp;", "quot;", "#39;"];
            assert!(known.iter().any(|name| entity.starts_with(name)), "{text}");
        }
        if !text.trim().is_empty() {
            texts.push(text);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    texts
}

#[test]
fn a_status_is_drawn_with_a_row_for_each_step() {
    let root = Root::new();
    let mut status = Status::default();
    let seconds = Duration::from_secs;
    status.begin(["identity", "network", "fetch", "join"].into_iter());
    status.hostname("worker-64e59a");
    status.start("identity", seconds(8));
    status.end("identity", seconds(9), None);
    status.start("network", seconds(9));
    status.end("network", seconds(12), None);
    status.start("fetch", seconds(12));
    status.end("fetch", seconds(14), Some(EVIL));
    status.failed(
        &format!("fetch: {EVIL}"),
        Some(seconds(u64::from(u32::MAX))),
    );
    root.write("run/muster/status.json", &status.to_json());
    let output = root.muster(&["status", "--svg"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let svg = stdout(&output);
    let texts = texts(&svg);
    for text in [
        "The boot of worker-64e59a",
        "before muster",
        "8.0 s",
        "identity",
        "done  1.0 s",
        "network",
        "done  3.0 s",
        "fetch",
        "failed  2.0 s",
        "join",
        "pending",
        ESCAPED,
        "boot      attempt 1",
    ] {
        assert!(texts.contains(&text), "{text}: {texts:#?}");
    }
    let error = format!("failed: fetch: {ESCAPED}");
    assert!(texts.contains(&&*error), "{texts:#?}");
    let to_do = texts.iter().find(|text| text.starts_with("to do: "));
    assert!(to_do.unwrap().contains("muster tries again by itself"));
    let output = root.muster(&["status", "--svg", "--json"]);
    assert_one_line("both", &output, &["--json or --svg, not both"]);
    let output = root.muster(&["--svg"]);
    assert_one_line("boot", &output, &["--svg"]);
}

/// Waits until the picture has this text, and reads it. It is never there in parts.
fn picture(file: &Path, text: &str) -> String {
    let start = Instant::now();
    loop {
        let svg = fs::read_to_string(file).unwrap();
        texts(&svg);
        if svg.contains(text) {
            return svg;
        }
        assert!(start.elapsed() < PATIENCE, "{text}: {svg}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_rack_is_drawn_at_each_change() {
    let files = [("rack", "52:54:00:00:00:07\n52:54:00:00:00:08\n")];
    let watching = Watching::start(&["--macs", "rack", "--svg", "rack.svg"], &files);
    let file = watching.path("rack.svg");
    // The picture is there as soon as the program listens.
    let svg = picture(
        &file,
        "2 boards: 0 stuck, 2 not heard yet, 0 booting, 0 joined",
    );
    assert_eq!(svg.matches("not heard yet</text>").count(), 2, "{svg}");
    let running = "uptime=\"9.1\" attempt=\"1\" state=\"running\"";
    let fails = "uptime=\"12.5\" attempt=\"1\" state=\"failed\"";
    watching.say(&line(7, 7, "network", running, ""));
    watching.say(&line(7, 3, "fetch", fails, EVIL));
    let joined = "uptime=\"75.2\" attempt=\"1\" state=\"joined\"";
    watching.say(&line(200, 6, "join", joined, "x"));
    let svg = picture(&file, "joined after 1:15");
    let texts = texts(&svg);
    for text in ["worker-7", "fetch: failed", ESCAPED, "worker-200"] {
        assert!(texts.contains(&text), "{text}: {texts:#?}");
    }
    assert!(svg.contains("3 boards: 1 stuck, 1 not heard yet, 0 booting, 1 joined"));
    let folder = fs::read_dir(file.parent().unwrap()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.ends_with(".muster")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error_at_the_start() {
    let root = Root::new();
    // An absolute path is below --root, and there is no such folder there.
    let absent = format!("{}/rack.svg", root.folder().display());
    for (file, why) in [
        (&*absent, "No such file"),
        ("/etc", "it is not a regular file"),
        ("/absent/rack.svg", "No such file"),
    ] {
        let mut command = root.command(&["watch", "--listen", "127.0.0.1:0", "--svg", file]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        // A program that goes on is killed at the end.
        let mut child = Killed(child);
        let mut error = String::new();
        let mut errors = BufReader::new(child.0.stderr.take().unwrap());
        errors.read_line(&mut error).unwrap();
        let start = format!("cannot write {file}: {why}");
        assert!(error.contains(&start), "{error}");
        assert_eq!(child.0.wait().unwrap().code(), Some(1), "{file}");
    }
}
