//! Which faults a sequence has, and when. Its number and the seed decide all of it.

use muster_labs::mix;
use std::fmt;
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The k3s server answers nobody.
    ServerStopped,
    /// The k3s server answers with this status all that needs the token.
    ServerAnswers(u16),
    MirrorStopped,
    /// The mirror sends so few bytes a second that the download takes minutes.
    MirrorSlow,
    /// The mirror's k3s is not the one of its sums file.
    MirrorWrongBytes,
    /// The mirror is slow, and its connections are cut again and again.
    MirrorCut,
    NoDns,
    NoDhcp,
    /// The DHCP server offers an address and then refuses it.
    DhcpRefuses,
    /// The DHCP server gives addresses of another range only, and the client has to renew its lease.
    DhcpOtherRange,
    NoTime,
    DiskFull,
    /// The board's cable is unplugged.
    CableUnplugged,
    /// A line of the settings file has become this one.
    Settings(&'static str),
    TokenWrong,
    TokenMissing,
    /// The supervised process, muster or the k3s that it became, is killed.
    Killed,
    DhcpClientKilled,
    PowerCycle,
}

/// All faults but those of the DHCP client's life.
const FAULTS: [Fault; 21] = [
    Fault::ServerStopped,
    Fault::ServerAnswers(401),
    Fault::ServerAnswers(403),
    Fault::ServerAnswers(429),
    Fault::ServerAnswers(503),
    Fault::MirrorStopped,
    Fault::MirrorSlow,
    Fault::MirrorWrongBytes,
    Fault::MirrorCut,
    Fault::NoDns,
    Fault::NoDhcp,
    Fault::NoTime,
    Fault::DiskFull,
    Fault::CableUnplugged,
    Fault::Settings("K3S_URL=\"https://nowhere.lan:6443\""),
    Fault::Settings("MUSTER_DHCP=\"perhaps\""),
    Fault::Settings(
        "MUSTER_K3S_SHA256=\"0000000000000000000000000000000000000000000000000000000000000000\"",
    ),
    Fault::TokenWrong,
    Fault::TokenMissing,
    Fault::Killed,
    Fault::PowerCycle,
];
/// The faults of the DHCP client's life.
const LEASE_FAULTS: [Fault; 3] = [
    Fault::DhcpRefuses,
    Fault::DhcpOtherRange,
    Fault::DhcpClientKilled,
];

/// The part of the lab that a fault changes. It has one fault at a time, the one that began last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Server,
    Mirror,
    Dns,
    Dhcp,
    Time,
    Cable,
    Disk,
    Settings,
    Token,
}

impl Part {
    /// Whether a power cycle repairs this part.
    pub fn is_on_board(self) -> bool {
        matches!(self, Part::Disk | Part::Settings | Part::Token)
    }
}

impl Fault {
    /// `None`: the fault is over as soon as it has happened.
    pub fn part(self) -> Option<Part> {
        match self {
            Fault::ServerStopped | Fault::ServerAnswers(_) => Some(Part::Server),
            Fault::MirrorStopped
            | Fault::MirrorSlow
            | Fault::MirrorWrongBytes
            | Fault::MirrorCut => Some(Part::Mirror),
            Fault::NoDns => Some(Part::Dns),
            Fault::NoDhcp | Fault::DhcpRefuses | Fault::DhcpOtherRange => Some(Part::Dhcp),
            Fault::NoTime => Some(Part::Time),
            Fault::CableUnplugged => Some(Part::Cable),
            Fault::DiskFull => Some(Part::Disk),
            Fault::Settings(_) => Some(Part::Settings),
            Fault::TokenWrong | Fault::TokenMissing => Some(Part::Token),
            Fault::Killed | Fault::DhcpClientKilled | Fault::PowerCycle => None,
        }
    }
}

/// A fault, and its time after power-on. What begins at 0 is there before power-on.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    pub fault: Fault,
    pub from: Duration,
    pub until: Duration,
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.fault {
            Fault::Settings(line) => format!("Settings({:.22})", line.replace('"', "")),
            fault => format!("{fault:?}"),
        };
        let (from, until) = (self.from.as_secs_f64(), self.until.as_secs_f64());
        match self.fault.part() {
            None => write!(f, "{name} {from:.2}"),
            Some(_) => write!(f, "{name} {from:.2}-{until:.2}"),
        }
    }
}

/// What all sequences of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    pub seed: u64,
    /// How long a fault lasts at most (seconds), but for few of them, which last five times as long.
    pub longest: u64,
    /// Whether faults of the DHCP client's life occur too.
    pub leases: bool,
}

/// A sequence of faults.
pub struct Plan {
    /// Whether the k3s server has the release too, as a second mirror.
    pub server_has_release: bool,
    /// By the time at which they begin.
    pub faults: Vec<Timed>,
}

impl Plan {
    /// The plan of the sequence with this number.
    pub fn new(choices: &Choices, number: u64) -> Plan {
        let mut random = Random(mix(choices.seed).wrapping_add(mix(number)));
        let mut kinds = FAULTS.to_vec();
        if choices.leases {
            kinds.extend(LEASE_FAULTS);
        }
        let server_has_release = random.below(2) == 0;
        let count = 2 + random.below(5);
        let mut faults: Vec<Timed> = (0..count)
            .map(|_| {
                let fault = kinds[random.below(kinds.len() as u64) as usize];
                let from = random.start(choices.longest, fault.part());
                let lasts = match fault.part() {
                    None => Duration::ZERO,
                    Some(_) => random.length(choices.longest),
                };
                let until = from + lasts;
                Timed { fault, from, until }
            })
            .collect();
        faults.sort_by_key(|timed| timed.from);
        Plan {
            server_has_release,
            faults,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(Timed::to_string).collect();
        let mirrors = match self.server_has_release {
            true => "2 mirrors",
            false => "1 mirror",
        };
        write!(f, "{mirrors}, {}", faults.join(", "))
    }
}

/// Numbers that the seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0) % limit
    }

    /// A boot without faults takes about two seconds, and half of all faults begin in them.
    fn start(&mut self, longest: u64, part: Option<Part>) -> Duration {
        let needs_power = part.is_none_or(Part::is_on_board);
        let milliseconds = match self.below(10) {
            0 if !needs_power => 0,
            0 => 1,
            1..=4 => self.below(2000),
            5..=7 => self.below(8000),
            _ => self.below(longest * 1000),
        };
        Duration::from_millis(milliseconds)
    }

    fn length(&mut self, longest: u64) -> Duration {
        let longest = longest * 1000;
        let milliseconds = match self.below(200) {
            0 => longest * 5,
            1..=100 => longest / 100 + self.below(longest / 10),
            101..=170 => longest / 10 + self.below(longest / 3),
            _ => longest / 3 + self.below(longest * 2 / 3),
        };
        Duration::from_millis(milliseconds)
    }
}
