//! The command `muster watch`: it receives the log that boards send to a log server, and shows one
//! row for each board. `docs/rack.md` describes the command for users.
//!
//! | module | what it does |
//! |---|---|
//! | [`datagram`], [`syntax`] | parse a datagram |
//! | [`board`], [`progress`], [`timeline`], [`condition`] | hold what is known about one board: its state, its download, its steps, and its condition |
//! | [`rack`] | holds all boards |
//! | [`words`] | describes a board in words, and as JSON |
//! | [`screen`], [`picture`] | draw the rack for a terminal, and as a picture |

pub mod board;
pub mod condition;
pub mod datagram;
pub mod picture;
pub mod progress;
pub mod rack;
pub mod screen;
pub mod syntax;
pub mod timeline;
pub mod words;

use crate::arguments::{Usage, WatchOptions};
use crate::board::mac::Mac;
use crate::host::Host;
use crate::name;
use crate::settings::Settings;
use crate::text::clip;
use anyhow::{Context, Result, anyhow, bail};
use picture::File;
use rack::{BOARDS_MAX, Key, Rack};
use screen::Size;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The port that `muster watch` listens on by default. Ports below 1024, such as that of syslog
/// (514), need root.
pub const PORT: u16 = 5514;
/// The interval at which [`Watch::update_picture`] and [`Watch::look`] are called.
const LOOK: Duration = Duration::from_millis(500);
/// The longest datagram that is read (bytes). A longer datagram is cut. A board sends 1024 bytes at
/// most, and a log server adds little to them.
const DATAGRAM_MAX: usize = 4096;

/// How the rack is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// A screen is drawn again and again.
    Screen,
    /// A line of text is printed for each change.
    Lines,
    /// A JSON object is printed for each change.
    Json,
}

/// Receives datagrams and shows the rack, until the process is killed or the reader of its output
/// closes the pipe.
pub fn run(host: &Host, settings: &Settings, options: &WatchOptions) -> Result<()> {
    let listed = match &options.macs {
        Some(file) => name::addresses(host, std::slice::from_ref(file))?,
        None => Vec::new(),
    };
    let socket = listen(options.listen.as_deref().unwrap_or_default())?;
    let now = Instant::now();
    let mut watch = Watch {
        output: match (options.json, io::stdout().is_terminal()) {
            (true, _) => Output::Json,
            (false, true) => Output::Screen,
            (false, false) => Output::Lines,
        },
        title: format!("muster watch on {}", socket.local_addr()?),
        rack: rack_of(&listed, settings)?,
        started: now,
        picture: options.svg.as_deref().map(|path| File::new(path, now)),
    };
    // The picture is written once before the watch begins, so that a wrong path is an error at
    // once.
    watch.update_picture(host, now)?;
    log::info!(target: "watch", "listening on {}", socket.local_addr()?);
    match watch.run(host, &socket) {
        // It is not a failure when the reader of standard output closes the pipe.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

/// The rack with the boards of the list (`--macs`). Fails when the list is too long.
fn rack_of(listed: &[Mac], settings: &Settings) -> Result<Rack> {
    if listed.len() > BOARDS_MAX {
        let count = listed.len();
        let why = format!("--macs lists {count} boards; muster watch shows {BOARDS_MAX} at most");
        bail!(Usage(why));
    }
    Ok(Rack::new(listed, &settings.naming))
}

fn listen(text: &str) -> Result<UdpSocket> {
    let address = listen_address(text).ok_or_else(|| {
        Usage(format!(
            "--listen {text:?}: not an address (expected IP, IP:PORT or PORT, such as 0.0.0.0:5514)"
        ))
    })?;
    UdpSocket::bind(address).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => {
                "; a port below 1024 needs root: listen on another port, and set the boards' \
                 MUSTER_SYSLOG to HOST:PORT of this machine"
            }
            ErrorKind::AddrInUse => "; another program listens there: stop it, or use another port",
            _ => "",
        };
        anyhow!("cannot listen on {address}: {error}{remedy}")
    })
}

/// The address that `--listen` names: an IP address, an IP address with a port, or a port. The
/// default port is [`PORT`], and the default address is every IPv4 address of this machine. `None`
/// when the text is not valid.
pub fn listen_address(text: &str) -> Option<SocketAddr> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if text.is_empty() {
        return Some(SocketAddr::new(any, PORT));
    }
    if let Ok(port) = text.parse() {
        return Some(SocketAddr::new(any, port));
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match bare.unwrap_or(text).parse() {
        Ok(address) => Some(SocketAddr::new(address, PORT)),
        Err(_) => text.parse().ok(),
    }
}

struct Watch {
    output: Output,
    title: String,
    rack: Rack,
    started: Instant,
    /// The file with the picture of the rack, if `--svg` names one.
    picture: Option<File>,
}

impl Watch {
    fn run(&mut self, host: &Host, socket: &UdpSocket) -> Result<()> {
        socket.set_read_timeout(Some(LOOK / 4))?;
        let mut buffer = [0; DATAGRAM_MAX];
        let mut next_look = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next_look {
                let failed = self
                    .picture
                    .as_ref()
                    .is_some_and(|file| file.error.is_some());
                if let Err(error) = self.update_picture(host, now)
                    && !failed
                {
                    // A full disk must not end the watch.
                    log::warn!(target: "watch", "{error:#}");
                }
                self.look(now)?;
                next_look = now + LOOK;
            }
            let (length, from) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error).context("cannot receive datagrams"),
            };
            let now = Instant::now();
            if let Some(report) = datagram::parse(&buffer[..length])
                && let Some(key) = self.rack.hear(report, from.ip().to_canonical(), now)
                && self.output != Output::Screen
            {
                self.tell(&key, now)?;
            }
        }
    }

    /// Writes the picture of the rack to its file, if the picture has changed ([`File::update`]).
    fn update_picture(&mut self, host: &Host, now: Instant) -> Result<()> {
        match &mut self.picture {
            Some(file) => file.update(host, &self.rack.rows(now), now),
            None => Ok(()),
        }
    }

    /// Draws the screen. Without a screen, prints each board that has no line yet, or whose
    /// condition has changed since its last line. Time alone can change a condition.
    fn look(&mut self, now: Instant) -> Result<()> {
        if self.output == Output::Screen {
            return self.draw(now);
        }
        for key in self.rack.turned(now) {
            self.tell(&key, now)?;
        }
        Ok(())
    }

    fn draw(&self, now: Instant) -> Result<()> {
        let boards = self.rack.rows(now);
        let size = size();
        let mut lines = screen::draw(&self.title, &boards, now, size);
        if boards.is_empty() {
            let hint = "  no report yet: on the boards, set MUSTER_SYSLOG=HOST:PORT of this host";
            lines.truncate(size.rows.saturating_sub(1));
            lines.push(clip(hint, size.columns));
        }
        // The screen covers the log, so the last line of the screen shows why the picture could not
        // be written.
        let error = self.picture.as_ref().and_then(|file| file.error.as_deref());
        if let Some(error) = error {
            lines.truncate(size.rows.saturating_sub(1));
            lines.push(clip(error, size.columns));
        }
        print(&screen::frame(&lines))
    }

    /// Prints a line for the board `key`, if it has changed since the board's last line. Running
    /// times and rates do not count as a change. A trouble is printed when it is another one.
    fn tell(&mut self, key: &Key, now: Instant) -> Result<()> {
        let elapsed = now.saturating_duration_since(self.started);
        let line = if self.output == Output::Json {
            let board = self
                .rack
                .changed(key, now, |b| words::to_json(b, now).to_string());
            let object = |b| words::with_times(words::to_json(b, now), b, elapsed, now);
            board.map(|(board, _)| object(board).to_string())
        } else {
            let board = self.rack.changed(key, now, |board| words::line(board, now));
            let seconds = elapsed.as_secs_f64();
            let line = |(board, trouble)| words::line_of_change(board, trouble, now);
            board.map(|change| format!("{seconds:8.1}  {}", line(change)))
        };
        line.map_or(Ok(()), |line| print(&(line + "\n")))
    }
}

/// The size of the terminal, less the line in which the cursor stays.
fn size() -> Size {
    let window = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let window = window.filter(|window| window.ws_col > 0 && window.ws_row > 0);
    let (columns, rows) = window.map_or((80, 24), |window| (window.ws_col, window.ws_row));
    Size {
        columns: columns.into(),
        rows: usize::from(rows) - 1,
    }
}

/// Whether receiving can continue after this error.
fn is_passing(error: &io::Error) -> bool {
    let passing = [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ];
    passing.contains(&error.kind())
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_address_is_enough() {
        for (text, expected) in [
            ("", "0.0.0.0:5514"),
            ("514", "0.0.0.0:514"),
            ("192.0.2.1", "192.0.2.1:5514"),
            ("192.0.2.1:99", "192.0.2.1:99"),
            ("::1", "[::1]:5514"),
            ("[::1]", "[::1]:5514"),
            ("[::1]:99", "[::1]:99"),
        ] {
            assert_eq!(listen_address(text), expected.parse().ok(), "{text}");
        }
        for text in [
            "x",
            "localhost:5514",
            "70000",
            "192.0.2.1:x",
            "[::1",
            "192.0.2.1:",
        ] {
            assert_eq!(listen_address(text), None, "{text}");
        }
    }
}
