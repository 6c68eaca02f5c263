//! Measures how much time of a boot is muster's own: the steps on an emulated board on which nothing
//! has to be waited for. It replaces a table in `docs/performance.md`. `make boot-times` runs it. It
//! needs root.

use muster_labs::{Board, Kind, MachineBoard, Options, Site};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// How often the board boots without waiting. The table has the medians.
const RUNS: usize = 5;
/// The table stands between these two lines.
const MARKS: [&str; 2] = ["<!-- make boot-times -->\n", "<!-- end -->\n"];
/// Takes away what a boot has done, all but the address: the DHCP client goes on.
const FORGET: &str = "rc-service muster stop >/dev/null 2>&1
    rm -rf /run/muster/*.json /etc/rancher /var/lib/rancher /usr/local/bin/k3s /etc/machine-id
    rc-service muster start >/dev/null 2>&1";

/// The seconds of each step, and those from muster's start until it becomes k3s.
struct Times {
    steps: Vec<(String, f64)>,
    total: f64,
}

/// Reads the times of the boot that has ended last.
fn times(board: &MachineBoard) -> Times {
    let text = board.shell_until(
        "muster status --json | grep '\"joined\": [0-9]' >/dev/null && muster status --json",
    );
    let status: Value = serde_json::from_str(&text).expect("the status");
    let steps = status["steps"].as_array().expect("the steps");
    let seconds = |value: &Value| value.as_f64().expect("seconds");
    Times {
        steps: steps
            .iter()
            .map(|step| {
                let name = step["step"].as_str().expect("a step");
                (name.to_string(), seconds(&step["seconds"]))
            })
            .collect(),
        total: seconds(&status["joined"]) - seconds(&steps[0]["started"]),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let site = Site::new(Options {
        k3s_size: 0,
        ..Options::of(Kind::Machine)
    });
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.overlay.set("MUSTER_SPREAD", "0");
    board.power_on();
    board.joined();
    let first = times(&board);
    let runs: Vec<Times> = (0..RUNS)
        .map(|_| {
            board.shell(FORGET);
            times(&board)
        })
        .collect();

    let mut text = String::from(
        "| step | first boot after power-on, s | nothing to wait for, s |\n|---|---|---|\n",
    );
    for (place, (step, seconds)) in first.steps.iter().enumerate() {
        let again = median(runs.iter().map(|run| run.steps[place].1).collect());
        writeln!(text, "| {step} | {seconds:.3} | {again:.3} |").unwrap();
    }
    let again = median(runs.iter().map(|run| run.total).collect());
    let total = first.total;
    writeln!(
        text,
        "| all, and what is between them | {total:.3} | {again:.3} |"
    )
    .unwrap();
    print!("{text}");

    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let page = fs::read_to_string(&document).expect("docs/performance.md");
    let [start, end] = MARKS;
    let (head, rest) = page.split_once(start).expect("no mark for the table");
    let (_, tail) = rest.split_once(end).expect("no mark for its end");
    fs::write(&document, format!("{head}{start}{text}{end}{tail}")).expect("docs/performance.md");
}
