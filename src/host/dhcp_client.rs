//! Starts the DHCP client, finds its process in the process list, and makes it renew the lease.

use super::Host;
use super::files::Content;
use crate::board::node::Node;
use crate::paths;
use anyhow::Result;
use nix::sys::signal::Signal;
use std::os::unix::fs::MetadataExt;

/// The program that muster starts as the DHCP client. On Alpine it is a link to BusyBox.
pub const CLIENT: &str = "udhcpc";
/// The DHCP option with the log servers (RFC 2132). BusyBox has no name for this option, so udhcpc
/// passes it to the DHCP script as the variable `opt7`, in hex digits.
const LOG_SERVER_OPTION: &str = "7";

/// Writes the script that the DHCP client runs at each DHCP event, unless the file already has the
/// right content and permissions.
pub fn ensure_script(host: &Host) -> Result<()> {
    let script = Content::Public(include_str!("udhcpc.script"));
    host.ensure_file(paths::DHCP_SCRIPT, script)
}

/// Starts the DHCP client, which removes the address of the interface first. The client goes to the
/// background when it has a lease or after three tries without a lease. In the background it renews
/// the lease, or continues to ask for one.
pub fn start_client(host: &Host, node: &Node) -> Result<()> {
    host.remove_note(paths::DHCP_KEEP)?;
    run_client(host, node)
}

fn run_client(host: &Host, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    let pidfile = format!("/run/udhcpc.{interface}.pid");
    let option = format!("hostname:{}", node.name);
    let argv = [
        CLIENT,
        "-b",
        "-t",
        "3",
        "-T",
        "2",
        "-i",
        interface,
        "-p",
        &pidfile,
        "-x",
        &option,
        "-O",
        "ntpsrv",
        "-O",
        LOG_SERVER_OPTION,
        "-s",
        paths::DHCP_SCRIPT.path,
    ];
    host.run(&argv)
}

/// Starts the DHCP client again after it died. The interface keeps its address until the new client
/// has a lease. [`start_client`] would remove the address first, and a running k3s would have no
/// network until a DHCP server answers.
pub fn start_client_again(host: &Host, node: &Node) -> Result<()> {
    ensure_script(host)?;
    host.write_note(paths::DHCP_KEEP, "")?;
    run_client(host, node)
}

/// Whether a DHCP client that renews the lease of `interface` is running in the network namespace
/// of this process.
pub fn is_client_running(host: &Host, interface: &str) -> bool {
    client(host, interface).is_some()
}

/// Makes the DHCP client of `interface` renew its lease now. Then the client runs its script, which
/// configures the interface again. Does nothing when no client is running.
pub fn renew_lease(host: &Host, interface: &str) -> Result<()> {
    let Some(pid) = client(host, interface) else {
        return Ok(());
    };
    let what = format!("make the DHCP client of {interface} (pid {pid}) renew the lease");
    // udhcpc renews its lease when it gets this signal (busybox, networking/udhcp/dhcpc.c).
    host.signal(what, pid, Signal::SIGUSR1)
}

/// The process id of the DHCP client of `interface`. Only a process of root that runs the program
/// [`CLIENT`] counts, because any user can give a process any command line.
fn client(host: &Host, interface: &str) -> Option<i32> {
    let namespace = host.link_target("/proc/self/ns/net");
    let program = host.program(CLIENT)?;
    let program = (program.dev(), program.ino());
    let processes = host.list("/proc");
    let pid = processes
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .find(|pid| {
            let Ok(command) = host.read_text(format!("/proc/{pid}/cmdline")) else {
                return false;
            };
            let argv: Vec<&str> = command.split_terminator('\0').collect();
            let exe = || host.metadata(format!("/proc/{pid}/exe"));
            is_renewing_client(&argv, interface)
                && host.link_target(format!("/proc/{pid}/ns/net")) == namespace
                && exe().is_some_and(|exe| (exe.dev(), exe.ino()) == program)
                && is_root(
                    &host
                        .read_text(format!("/proc/{pid}/status"))
                        .unwrap_or_default(),
                )
        });
    pid?.parse().ok()
}

/// Whether a process belongs to root: its real and its effective user are root. `status` is the
/// text of its `/proc/<pid>/status` (proc_pid_status(5)). The owner of the folder `/proc/<pid>`
/// does not tell this: root also owns the folder of another user's process that cannot be traced.
fn is_root(status: &str) -> bool {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let mut users = users.unwrap_or_default().split_whitespace();
    [users.next(), users.next()] == [Some("0"); 2]
}

/// Whether `argv` is the command line of a udhcpc that renews the lease of `interface`. With `-q`,
/// as in an initramfs, udhcpc exits as soon as it has a lease; with `-n` it exits when it gets no
/// lease. So a udhcpc with one of these flags does not count.
fn is_renewing_client(argv: &[&str], interface: &str) -> bool {
    let mut argv = argv.iter().copied();
    let mut program = argv.next().and_then(|path| path.rsplit('/').next());
    if program == Some("busybox") {
        program = argv.next();
    }
    if program != Some(CLIENT) {
        return false;
    }
    let arguments: Vec<&str> = argv.collect();
    let has_interface = arguments
        .windows(2)
        .any(|pair| pair[0].ends_with('i') && is_flags(pair[0]) && pair[1] == interface)
        || arguments.contains(&format!("-i{interface}").as_str());
    let ends = arguments
        .iter()
        .any(|word| is_flags(word) && word.contains(['q', 'n']));
    has_interface && !ends
}

/// Whether `word` consists of one-letter flags of udhcpc, such as `-fq`, and so is not the value of
/// an option.
fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty() && letters.bytes().all(|b| b"fbqRBnSoCi".contains(&b))
    })
}

#[cfg(test)]
pub(crate) mod tests;
