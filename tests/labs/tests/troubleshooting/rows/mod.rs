//! The faults behind the headings of the page, one module for some of its sections.

mod board;
mod connections;
mod fetch;
mod join;
mod register;

use crate::{Case, Fault};
use muster_labs::{Board, NamespaceBoard, Options, Output, Service, Site};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a message is tried.
pub enum Row {
    /// The fault is made here.
    Lab(Fault),
    /// The same, with a course of its own. What takes long is one of these: they begin first.
    Own(fn() -> Options, fn(&mut Case)),
    /// The same, on a board alone: the site is as usual for other boards meanwhile.
    OnBoard(fn(&mut Case)),
    /// The test of this name, in this file of `tests/labs/tests`, makes it on an emulated machine that it
    /// boots for other reasons too.
    Machine(&'static str, &'static str),
    /// No test makes it, for this reason.
    Never(&'static str),
}

/// Messages of one entry that are seen together, and how.
pub type Rows = &'static [(&'static [&'static str], Row)];

/// All rows, in the order of the page.
pub fn all_rows() -> impl Iterator<Item = &'static (&'static [&'static str], Row)> {
    let sections = [
        board::ROWS,
        register::ROWS,
        connections::ROWS,
        fetch::ROWS,
        join::ROWS,
    ];
    sections.into_iter().flatten()
}

const WITH_NET: fn() -> Options = Options::default;

/// The site with this environment of the k3s server.
fn server(name: &str, value: &str) -> Options {
    Options {
        server: vec![(name.into(), value.into())],
        ..Options::default()
    }
}

/// The site with more of the mirror's configuration.
fn mirror(nginx: &str) -> Options {
    Options {
        nginx: nginx.into(),
        ..Options::default()
    }
}

/// The same, with a k3s that takes some seconds to download at this rate, as nginx writes it.
fn slow_mirror(rate: &str) -> Options {
    Options {
        k3s_size: 20_000_000,
        ..mirror(&format!("limit_rate {rate};"))
    }
}

fn dnsmasq(line: &str) -> Options {
    Options {
        dnsmasq: format!("{line}\n"),
        ..Options::default()
    }
}

/// Starts the service again as it should be.
fn restart(site: &Site, service: Service) {
    restart_as(site, service, &Options::default());
}

fn restart_as(site: &Site, service: Service, options: &Options) {
    site.stop(service);
    site.start_as(service, options);
}

/// Puts the server's token for agents on the board.
pub fn put_token(site: &Site, board: &NamespaceBoard) {
    put(&site.path("k3s/server/agent-token"), board);
}

/// Puts a file of the site's on the board as its token.
fn put(token: &Path, board: &NamespaceBoard) {
    let token = fs::read(token).expect("a token");
    fs::write(board.path("/etc/muster/token"), token).expect("the token");
}

/// The join token without the hash of the server's CA.
fn short_token(site: &Site) -> String {
    let token = site.token();
    let (_, secret) = token.rsplit_once(':').expect("a whole token");
    secret.into()
}

/// Sends a signal to the service of the site whose command line has this word.
fn signal(site: &Site, word: &str, signal: &str) {
    for pid in muster_labs::run(&["ip", "netns", "pids", &site.namespace]).split_whitespace() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(word) {
            muster_labs::run(&["kill", &format!("-{signal}"), pid]);
        }
    }
}

/// Has the k3s server take its answers to this request (method and path) from a file, while there is one.
/// Returns the file.
fn answer_from_file(site: &Site, request: &str) -> PathBuf {
    let file = site.path("answer");
    let rule = format!("{request} {}", file.display());
    restart_as(site, Service::Server, &server("STANDIN_FRONT", &rule));
    file
}

/// Writes a file whole.
fn write(file: &Path, bytes: &[u8]) {
    let part = file.with_extension("part");
    fs::write(&part, bytes).expect("a new file");
    fs::rename(part, file).expect("the file");
}

/// An answer with these header lines.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Has the server answer these bytes to the request, one after the other, and sees the message of each.
/// Then the server answers by itself.
fn answers(case: &mut Case, request: &str, answers: &[Vec<u8>]) {
    let file = answer_from_file(case.site, request);
    write(&file, &answers[0]);
    case.board.power_on_without_muster();
    let boot = case.board.boot(&["--supervised"]);
    assert_eq!(case.messages.len(), answers.len());
    for (message, answer) in case.messages.iter().zip(answers) {
        write(&file, answer);
        new_attempt(&case.board);
        case.wait_for_message(&boot, message);
    }
    fs::remove_file(file).expect("the answer");
    case.do_blocks();
    new_attempt(&case.board);
    case.joined(&boot);
}

/// A change of the settings file ends the pause of a boot that waits.
fn new_attempt(board: &NamespaceBoard) {
    board.shell("echo '#' >>/etc/conf.d/muster");
}

/// Starts a boot in which these calls on a file of the board's fail: `calls` is written as strace has it.
/// They fail as long as the file is called so.
fn boot_with_failing(case: &Case, calls: &str, path: &str) -> Output {
    let boot = case.board.command(&["/usr/sbin/muster", "--supervised"]);
    let file = case.board.root_as_seen_from_here().join(path);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-P"])
        .arg(file);
    strace.args(["-e", &format!("inject={calls}")]);
    strace.arg(boot.get_program()).args(boot.get_args());
    strace.env_clear();
    Output::follow(strace.env("PATH", std::env::var_os("PATH").expect("a path")))
}

/// A change of the board's while muster waits: muster is held meanwhile, so that it does not go on too early.
fn while_held(case: &Case, change: impl FnOnce()) {
    case.board.signal_muster("STOP");
    change();
    case.board.signal_muster("CONT");
}

/// Starts a boot on a board that is on, and waits until k3s is being downloaded. Returns the line too.
fn downloading(case: &Case) -> (Output, String) {
    let boot = case.board.boot(&["--supervised"]);
    let line = boot.wait_for("downloading https://").text;
    (boot, line)
}
