//! The identity step: it derives the hostname from the MAC address, and sets it in the kernel and
//! in the files that programs read.

use crate::board::hostname::Hostname;
use crate::board::mac::Mac;
use crate::board::node::Node;
use crate::host::Host;
use crate::host::files::Content;
use crate::paths;
use crate::settings::{Interface, Settings, sources};
use anyhow::{Result, anyhow};
use log::warn;
use ring::hmac;
use std::time::Duration;

/// The kernel's folder of network interfaces.
const INTERFACES: &str = "/sys/class/net";
/// The interface may be missing for this long, because a driver may create it late. After that,
/// [`Wait::Short`] ends with an error, and [`Wait::ForEver`] reports the problem.
const INTERFACE_WAIT: Duration = Duration::from_secs(10);
/// The time between two checks whether the interface exists.
const POLL: Duration = Duration::from_millis(100);

/// The kernel's `addr_assign_type` of an interface whose MAC address is random (NET_ADDR_RANDOM in
/// Linux, include/uapi/linux/netdevice.h). A bond without ports has such an address too, and gets
/// another type with its first port.
const RANDOM_ADDRESS: &str = "1";

/// The end of the one line in `/etc/hosts` that muster writes.
const HOSTS_MARK: &str = "# muster";

/// How long the step waits for the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// At most 10 s, because a person may be waiting for the result.
    Short,
    /// For ever. A missing interface is reported after 10 s.
    ForEver,
}

/// Finds the interface whose MAC address gives the node its name, and returns the node. A boot
/// waits for the interface, because the driver may create it late; a dry run does not wait.
///
/// With [`Wait::Short`] and in a dry run, this function fails when no usable interface was found in
/// time. In every case it fails when the interface's address, or the value of `BOOTIF`, is not a
/// valid MAC address.
pub fn find(host: &Host, settings: &Settings, wait: Wait) -> Result<Node> {
    let until = host.uptime() + INTERFACE_WAIT;
    loop {
        match find_once(host, settings)? {
            Ok(node) => return Ok(node),
            Err(why) if host.plans() || host.uptime() >= until => {
                let existing = interfaces(host);
                let existing = if existing.is_empty() {
                    let folder = host.path(INTERFACES);
                    format!("{} lists no interface except lo", folder.display())
                } else {
                    format!("the interfaces are {}", existing.join(", "))
                };
                let value = &settings.interface_value;
                let error = value.bad(format_args!("{why}; {existing}"));
                if host.plans() {
                    return Err(error);
                }
                let message = error.to_string();
                if wait == Wait::Short {
                    // This error is not a BadSetting (exit status 2), because the value may be
                    // right and the interface may appear later.
                    return Err(anyhow!(message));
                }
                host.report_problem(&format!("{message}; still waiting"));
                host.wait(POLL)?;
            }
            Err(_) => host.wait(POLL)?,
        }
    }
}

/// The board with this MAC address, which need not be this machine. Its interface is the one that
/// the settings name. When the board chooses it, that is taken to be `eth0`, with a warning.
pub fn of(settings: &Settings, mac: Mac) -> Node {
    let interface = match &settings.interface {
        Interface::Named(name) => name.clone(),
        Interface::Auto => {
            warn!(
                "the plan names eth0, but with MUSTER_INTERFACE=auto the board may use another \
                 interface: it chooses when it boots"
            );
            "eth0".into()
        }
    };
    Node {
        mac,
        name: settings.naming.of(mac),
        interface,
        serial: None,
    }
}

/// Sets the hostname in the kernel and in `/etc/hostname` and `/etc/hosts`, and writes
/// `/etc/machine-id` when that file has no id yet.
pub fn apply(host: &Host, node: &Node) -> Result<()> {
    let name = node.name.as_str();
    if host.hostname() != name {
        host.set_hostname(name)?;
    }
    host.ensure_file(paths::HOSTNAME, Content::Public(&format!("{name}\n")))?;
    let hosts = hosts(&host.read_text(paths::HOSTS.path)?, &node.name);
    host.ensure_file(paths::HOSTS, Content::Public(&hosts))?;
    let machine_id = host.read_text(paths::MACHINE_ID.path)?;
    if matches!(machine_id.trim(), "" | "uninitialized") {
        let id = format!("{}\n", derive_machine_id(node));
        host.ensure_file(paths::MACHINE_ID, Content::Public(&id))?;
    }
    host.set_result(format!(
        "the hostname is {name}, from the MAC address of {} ({})",
        node.interface, node.mac
    ));
    Ok(())
}

/// Looks for the interface once. The inner error says what is missing now but may appear later. The
/// outer error is a problem that waiting cannot solve.
fn find_once(host: &Host, settings: &Settings) -> Result<Result<Node, String>> {
    let interface = match &settings.interface {
        Interface::Named(name) => name.clone(),
        Interface::Auto => match auto_interface(host)? {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        },
    };
    let file = format!("{INTERFACES}/{interface}/address");
    let Some(address) = host.read(&file)? else {
        return Ok(Err(format!("there is no interface {interface}")));
    };
    let kind = host.read_text(format!("{INTERFACES}/{interface}/addr_assign_type"))?;
    if kind.trim() == RANDOM_ADDRESS {
        return Ok(Err(format!(
            "the kernel gave {interface} a random MAC address, so the node would have another name \
             at each boot: set a fixed address in the boot loader (U-Boot: ethaddr) or with \
             hwaddress in /etc/network/interfaces, or set MUSTER_INTERFACE to another interface"
        )));
    }
    let text = String::from_utf8_lossy(&address);
    let mac = Mac::parse(text.trim_end()).map_err(|why| {
        let shown: String = text.trim_end().chars().take(40).collect();
        settings
            .interface_value
            .bad(format_args!("{file} holds {shown:?}, which is {why}"))
    })?;
    Ok(Ok(Node {
        mac,
        name: settings.naming.of_address_file(&address),
        interface,
        serial: serial(host),
    }))
}

/// Finds the interface for `MUSTER_INTERFACE=auto`: the interface from which the board netbooted,
/// if `BOOTIF` names it, else the only physical wired interface. The inner and the outer error mean
/// the same as in [`find_once`].
fn auto_interface(host: &Host) -> Result<Result<String, String>> {
    let address = |name: &str| host.read_text(format!("{INTERFACES}/{name}/address"));
    let words = sources::kernel_words(&host.read_text("/proc/cmdline")?);
    if let Some((_, bootif)) = words.iter().rev().find(|(name, _)| name == "BOOTIF") {
        // PXELINUX writes the hardware type in front of the address: 01 for Ethernet.
        let wanted = Mac::parse(bootif.strip_prefix("01-").unwrap_or(bootif))
            .map_err(|why| anyhow!("BOOTIF={bootif}: {why}"))?;
        for name in interfaces(host) {
            if Mac::parse(address(&name)?.trim_end()) == Ok(wanted) {
                return Ok(Ok(name));
            }
        }
        return Ok(Err(format!(
            "no interface has the MAC address of BOOTIF={bootif} (from the kernel command line)"
        )));
    }
    let mut wired = interfaces(host);
    wired.retain(|name| {
        let has_entry = |entry: &str| {
            let path = format!("{INTERFACES}/{name}/{entry}");
            host.metadata(path).is_some()
        };
        has_entry("device") && !has_entry("wireless") && !has_entry("phy80211")
    });
    Ok(match wired.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err("there is no physical wired interface".into()),
        several => Err(format!(
            "there are several physical wired interfaces ({}): set MUSTER_INTERFACE to one of them",
            several.join(", ")
        )),
    })
}

/// The interfaces that exist, without loopback.
fn interfaces(host: &Host) -> Vec<String> {
    let mut names = host.list(INTERFACES);
    names.retain(|name| name != "lo");
    names
}

/// The board's serial number from the device tree, where the firmware of a Raspberry Pi puts it;
/// `None` where the firmware gives none. A PC's serial number (DMI) is not used, because it is
/// often the same placeholder on all PCs of a series.
fn serial(host: &Host) -> Option<String> {
    let bytes = host.read("/proc/device-tree/serial-number").ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(['\0', '\n', ' ']);
    (!text.is_empty()).then(|| text.into())
}

/// The new text of `/etc/hosts`: the old text with one marked line for the hostname. All other
/// lines stay as they are. An empty file also gets the usual lines for localhost.
fn hosts(old: &str, name: &Hostname) -> String {
    let mut text: String = match old.trim().is_empty() {
        true => "127.0.0.1\tlocalhost\n::1\tlocalhost\n".into(),
        false => old
            .lines()
            .filter(|line| !line.ends_with(HOSTS_MARK))
            .map(|line| format!("{line}\n"))
            .collect(),
    };
    text.push_str(&format!("127.0.1.1\t{name} {HOSTS_MARK}\n"));
    text
}

/// Derives a machine id (32 hex digits) that is the same at each boot and different on each board.
/// It is not secret: anyone who knows the MAC address and the serial number can derive it.
fn derive_machine_id(node: &Node) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"muster machine-id");
    hex::encode(&hmac::sign(&key, &node.hardware_id()).as_ref()[..16])
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests;
