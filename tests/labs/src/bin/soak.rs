//! Powers boards on from nothing, again and again, two at a time and each time in another way, and
//! counts how many came back as the same node. It needs root.
//!
//! Usage: `soak BOOTS [SEED]`. The same seed gives the same boots.

use muster_labs::{Board, Firmware, Kind, MachineBoard, Options, Service, Site, mix, wait_for};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The services that an outage may hit.
const SERVICES: [Service; 4] = [
    Service::Dhcp,
    Service::Time,
    Service::Mirror,
    Service::Server,
];
/// The longest outage (seconds).
const LONGEST_OUTAGE: u64 = 20;
/// Without this driver QEMU's board has no clock chip, as a Raspberry Pi 4 has none.
const NO_CLOCK_CHIP: &str = "initcall_blacklist=pl031_driver_init";
/// A clock chip without a battery. The kernel refuses a time that is less than its own uptime.
const CHIP_OF_1970: [&str; 2] = ["-rtc", "base=1970-01-01T01:00:00"];

/// What the board's clock chip says at power-on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Right,
    Of1970,
    Absent,
}

/// One way to boot.
#[derive(Clone, Copy)]
struct Boot {
    firmware: Firmware,
    clock: Clock,
    /// The service that is down when muster starts, and for how long.
    outage: Option<(Service, Duration)>,
}

impl Boot {
    /// The boot that a number stands for.
    fn of(number: u64) -> Boot {
        let mut state = number;
        // Each digit of the number, in mixed bases, is one choice.
        let mut choose = |choices: u64| {
            let choice = state % choices;
            state /= choices;
            choice
        };
        let firmware = [Firmware::Direct, Firmware::Uefi][choose(2) as usize];
        let mut clock = [Clock::Right, Clock::Of1970, Clock::Absent][choose(3) as usize];
        if firmware == Firmware::Uefi && clock == Clock::Absent {
            // GRUB's configuration is the same for all boards, so it cannot disable a driver.
            clock = Clock::Of1970;
        }
        let outage = match choose(5) as usize {
            4 => None,
            service => Some((SERVICES[service], choose(LONGEST_OUTAGE + 1))),
        };
        Boot {
            firmware,
            clock,
            outage: outage.map(|(service, seconds)| (service, Duration::from_secs(seconds))),
        }
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let firmware = match self.firmware {
            Firmware::Direct => "direct",
            Firmware::Uefi => "PXE",
        };
        let clock = match self.clock {
            Clock::Right => "clock right",
            Clock::Of1970 => "clock of 1970",
            Clock::Absent => "no clock chip",
        };
        let outage = match self.outage {
            None => "no outage".into(),
            Some((service, time)) => format!("{service:?} down {} s", time.as_secs()),
        };
        write!(f, "{firmware:<7} {clock:<14} {outage:<17}")
    }
}

/// A worker's board, and what the server knew about its node at the first boot.
struct Worker<'a> {
    site: &'a Site,
    board: MachineBoard<'a>,
    first: Option<(String, String)>,
}

impl Worker<'_> {
    /// Boots once and checks that it is the same node; returns the time from power-on to joined.
    fn boot(&mut self, boot: Boot) -> Duration {
        let (site, board) = (self.site, &mut self.board);
        board.firmware = boot.firmware;
        board.qemu = match boot.clock {
            Clock::Of1970 => CHIP_OF_1970.map(String::from).into(),
            Clock::Right | Clock::Absent => Vec::new(),
        };
        board.kernel_words = match boot.clock {
            Clock::Absent => NO_CLOCK_CHIP.into(),
            Clock::Right | Clock::Of1970 => String::new(),
        };
        board.overlay = site.overlay();
        if boot
            .outage
            .is_some_and(|(service, _)| service == Service::Mirror)
        {
            board.overlay.set("MUSTER_MIRRORS", &site.mirror_url());
            board
                .overlay
                .set("SSL_CERT_FILE", "/etc/muster/mirror-ca.pem");
            let ca = std::fs::read_to_string(site.mirror_ca()).expect("the mirror's CA");
            board.overlay.add("etc/muster/mirror-ca.pem", &ca, 0o644);
        }
        let asked = site.web_requests().len();
        board.power_on();
        if let Some((service, time)) = boot.outage {
            // The initramfs has its address and asks for the overlay; muster has not started.
            let patience = Kind::Machine.patience();
            wait_for("the initramfs asks for the overlay", patience, || {
                let new = &site.web_requests()[asked..];
                let overlay = |(path, ..): &(String, u16, u64)| path.contains("apkovl");
                new.iter().any(overlay).then_some(())
            });
            site.stop(service);
            // The outage is what this boot is about, so its time is waited for.
            std::thread::sleep(time);
            site.start(service);
        }
        let took = board.joined();
        let name = board.name();
        let password = board.read("/etc/rancher/node/password");
        let now = (site.node_uid(&name), password.expect("it has joined"));
        assert_eq!(*self.first.get_or_insert_with(|| now.clone()), now);
        let nodes: Vec<String> = site.nodes().into_keys().collect();
        assert_eq!(nodes, [name], "the server knows this node and no other");
        took
    }
}

/// Boots boards one after the other as long as there are numbers left.
fn work(next: &AtomicU64, boots: u64, seed: u64, times: &Mutex<Vec<Duration>>, number: u8) {
    let site = Site::new(Options::of(Kind::Machine));
    let mut worker = Worker {
        site: &site,
        board: MachineBoard::new(&site, &Site::mac(number)),
        first: None,
    };
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= boots {
            return;
        }
        let boot = Boot::of(mix(seed.wrapping_add(index)));
        // A boot that fails panics with its reason, which the panic hook prints.
        let result = catch_unwind(AssertUnwindSafe(|| worker.boot(boot)));
        let verdict = match result {
            Ok(took) => {
                times.lock().expect("no thread panics here").push(took);
                format!("joined after {:5.1} s, the same node", took.as_secs_f64())
            }
            Err(_) => "FAILED: see above".into(),
        };
        println!("boot {:>3}  board {number}  {boot}  {verdict}", index + 1);
        worker.board.power_off();
        // A boot that failed may have left a service down.
        for service in SERVICES {
            if !site.is_running(service) {
                site.start(service);
            }
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(boots)), seed) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: soak BOOTS [SEED]");
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = match seed {
        Some(Ok(seed)) => seed,
        Some(Err(_)) => {
            eprintln!("soak: SEED must be a number");
            return ExitCode::from(2);
        }
        None => now.map_or(0, |now| now.as_secs()),
    };
    println!("soak: {boots} boots, seed {seed}");
    let started = Instant::now();
    let (next, times) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for number in [1, 2] {
            let (next, times) = (&next, &times);
            scope.spawn(move || work(next, boots, seed, times, number));
        }
    });
    let mut times = times.into_inner().expect("no thread panics with it");
    times.sort();
    let seconds = |time: Option<&Duration>| time.map_or(f64::NAN, Duration::as_secs_f64);
    println!(
        "soak: {} of {boots} boots came back as the same node, in {} s; power-on to joined: \
         min {:.1} s, median {:.1} s, max {:.1} s; seed {seed}",
        times.len(),
        started.elapsed().as_secs(),
        seconds(times.first()),
        seconds(times.get(times.len() / 2)),
        seconds(times.last()),
    );
    ExitCode::from(u8::from(times.len() as u64 != boots))
}
