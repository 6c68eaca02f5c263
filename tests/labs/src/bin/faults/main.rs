//! Random sequences of faults: each hits a namespace board and its site with a few faults at random moments, then takes all of
//! them away and waits until the node has joined with the right k3s. It needs root.
//!
//! Usage: `faults NAME=VALUE...`
//!
//! | name | default | meaning |
//! |---|---|---|
//! | `RUNS` | 1000 | how many sequences |
//! | `SEED` | the time | the same seed gives the same sequences |
//! | `FIRST` | 1 | the number of the first sequence: with `RUNS=1`, one is repeated |
//! | `JOBS` | 24 | how many sequences at a time |
//! | `LONGEST` | 30 | how long a fault lasts at most (seconds); one in 200 lasts five times as long |
//! | `PATIENCE` | 360 | how long a node may take to recover when all faults are gone (seconds) |
//! | `LEASES` | 0 | 1: a DHCP client that dies, is refused or gets another address occurs too |

mod board_faults;
mod lab;
mod node;
mod plan;
mod site_faults;

use lab::Lab;
use muster_labs::{Kind, Options, Service, Site};
use plan::{Choices, Plan, Timed};
use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the connections of a mirror are cut that has this fault.
const CUT: Duration = Duration::from_millis(1100);
/// The names of the arguments.
const NAMES: [&str; 7] = [
    "RUNS", "SEED", "FIRST", "JOBS", "LONGEST", "PATIENCE", "LEASES",
];

/// Runs a sequence. Returns how long the recovery took, or why it failed and the board's log.
fn sequence(plan: &Plan, patience: Duration) -> Result<Duration, String> {
    let options = Options {
        without: vec![Service::Web],
        ..Options::of(Kind::Namespace)
    };
    let site = Site::new(options.clone());
    if plan.server_has_release {
        site.fill_server();
    }
    let mut lab = Lab::new(&site, options);
    let result = run_faults(&mut lab, &plan.faults);
    let result = result.and_then(|()| lab.recovered(SystemTime::now(), patience));
    match result {
        Ok(took) => {
            // The logs of the services are kept for a failure.
            let _ = fs::remove_dir_all(site.log_path(""));
            Ok(took)
        }
        Err(why) => {
            let report = lab.report();
            Err(format!("{why}\n{report}"))
        }
    }
}

/// Powers the board on, and lets the faults begin and end.
fn run_faults(lab: &mut Lab, faults: &[Timed]) -> Result<(), String> {
    let mut events: Vec<(Duration, bool, Timed)> = Vec::new();
    for timed in faults {
        events.push((timed.from, true, *timed));
        if timed.fault.part().is_some() {
            events.push((timed.until, false, *timed));
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let mut started = None;
    for (at, begins, Timed { fault, .. }) in events {
        if started.is_none() && !at.is_zero() {
            lab.power_on();
            started = Some(Instant::now());
        }
        if let Some(started) = started {
            wait(lab, started + at);
        }
        lab.check_right_bytes()?;
        match begins {
            true => lab.begin(fault),
            false => lab.end(fault),
        }
    }
    if started.is_none() {
        lab.power_on();
    }
    Ok(())
}

/// Waits until the next event.
fn wait(lab: &Lab, until: Instant) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(CUT));
        if left > CUT {
            lab.cut();
        }
    }
}

/// What the command line says.
struct Arguments {
    runs: u64,
    first: u64,
    jobs: u64,
    patience: Duration,
    choices: Choices,
}

impl Arguments {
    fn parse() -> Result<Arguments, String> {
        let mut given = BTreeMap::new();
        for word in std::env::args().skip(1) {
            let number = word.split_once('=').and_then(|(name, value)| {
                let known = NAMES.contains(&name);
                known.then(|| Some((name.to_string(), value.parse().ok()?)))?
            });
            let (name, number) = number.ok_or(format!("{word}: no such argument"))?;
            given.insert(name, number);
        }
        let get = |name: &str, default: u64| given.get(name).copied().unwrap_or(default);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Arguments {
            runs: get("RUNS", 1000),
            first: get("FIRST", 1),
            jobs: get("JOBS", 24),
            patience: Duration::from_secs(get("PATIENCE", 360)),
            choices: Choices {
                seed: get("SEED", now.map_or(0, |now| now.as_secs())),
                longest: get("LONGEST", 30).max(1),
                leases: get("LEASES", 0) != 0,
            },
        })
    }

    /// The command that repeats a sequence.
    fn repeat(&self, number: u64) -> String {
        let Choices {
            seed,
            longest,
            leases,
        } = self.choices;
        let leases = u8::from(leases);
        format!("make faults RUNS=1 FIRST={number} SEED={seed} LONGEST={longest} LEASES={leases}")
    }
}

/// Runs sequences one after the other as long as there are numbers left.
fn work(arguments: &Arguments, next: &AtomicU64, times: &Mutex<Vec<Duration>>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.first + arguments.runs {
            return;
        }
        let plan = Plan::new(&arguments.choices, number);
        // The folder for a site's logs has the name of the thread.
        let thread = std::thread::Builder::new().name(number.to_string());
        let started = Instant::now();
        let result = std::thread::scope(|scope| {
            let sequence = thread.spawn_scoped(scope, || sequence(&plan, arguments.patience));
            let result = sequence.expect("a thread").join();
            result.unwrap_or_else(|_| Err("it panicked, see above".into()))
        });
        let verdict = match result {
            Ok(took) => {
                times.lock().expect("no thread panics here").push(took);
                format!("recovered after {:.1} s", took.as_secs_f64())
            }
            Err(why) => format!("FAILED: {why}\nrepeat it: {}", arguments.repeat(number)),
        };
        let took = started.elapsed().as_secs();
        println!("sequence {number} ({took} s)  {plan}  {verdict}");
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("faults: {why}");
            return ExitCode::from(2);
        }
    };
    let seed = arguments.choices.seed;
    println!("faults: {} sequences, seed {seed}", arguments.runs);
    let started = Instant::now();
    let (next, times) = (AtomicU64::new(arguments.first), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.min(arguments.runs) {
            scope.spawn(|| work(&arguments, &next, &times));
        }
    });
    let mut times = times.into_inner().expect("no thread panics with it");
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().max(1) - 1));
    let seconds = |part| at(part).map_or(f64::NAN, Duration::as_secs_f64);
    println!(
        "faults: {} of {} sequences recovered, in {} s; faults gone to recovered: median {:.1} s, \
         90 % {:.1} s, 99 % {:.1} s, max {:.1} s; seed {seed}",
        times.len(),
        arguments.runs,
        started.elapsed().as_secs(),
        seconds(50),
        seconds(90),
        seconds(99),
        seconds(100),
    );
    ExitCode::from(u8::from(times.len() as u64 != arguments.runs))
}
