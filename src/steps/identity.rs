//! Who this board is: its name from its MAC address, in the kernel and in the files that programs read it from.

use crate::board::hostname::Hostname;
use crate::board::mac::Mac;
use crate::board::node::Node;
use crate::host::Host;
use crate::host::files::Content;
use crate::paths;
use crate::settings::{Interface, Settings, sources};
use anyhow::{Result, anyhow};
use ring::hmac;
use std::time::Duration;

/// How long drivers may take to show the interface.
const INTERFACE_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Marks the line of `/etc/hosts` that is muster's to change.
const HOSTS_MARK: &str = "# muster";

/// How long a boot waits for the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// At most [`INTERFACE_WAIT`]: somebody waits for the answer.
    Short,
    ForEver,
}

/// Finds the interface that names the node, waits for it because drivers may be late, and derives the node from it.
pub fn find(host: &Host, settings: &Settings, wait: Wait) -> Result<Node> {
    let until = host.uptime() + INTERFACE_WAIT;
    let mut last_message = String::new();
    loop {
        match look(host, settings)? {
            Ok(node) => return Ok(node),
            // A plan shows what is there; a boot may be ahead of its drivers.
            Err(why) if host.plans() || host.uptime() >= until => {
                let there = interfaces(host).join(", ");
                let there = if there.is_empty() {
                    "no interface at all"
                } else {
                    &there
                };
                let value = &settings.interface_value;
                let error = value.bad(format_args!("{why}; there is {there}"));
                if host.plans() {
                    return Err(error);
                }
                let message = error.to_string();
                if wait == Wait::Short {
                    // No longer a BadSetting: the value may be right, and the interface still come.
                    return Err(anyhow!(message));
                }
                if message != last_message {
                    host.report_problem(&format!("{message}; still waiting"));
                    last_message = message;
                }
                host.sleep(POLL);
            }
            Err(_) => host.sleep(POLL),
        }
    }
}

/// Names the node.
pub fn apply(host: &Host, node: &Node) -> Result<()> {
    let name = node.name.as_str();
    if host.hostname()? != name {
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
    log::info!("this board is {name} ({} {})", node.interface, node.mac);
    Ok(())
}

/// One look for the interface. The inner error is a reason to look again: it may still come.
fn look(host: &Host, settings: &Settings) -> Result<Result<Node, String>> {
    let interface = match &settings.interface {
        Interface::Named(name) => name.clone(),
        Interface::Auto => match automatic(host)? {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        },
    };
    let file = format!("/sys/class/net/{interface}/address");
    let Some(address) = host.read(&file)? else {
        return Ok(Err(format!("there is no interface {interface}")));
    };
    let text = String::from_utf8_lossy(&address);
    let mac = Mac::parse(text.trim_end()).map_err(|why| {
        let shown: String = text.trim_end().chars().take(40).collect();
        settings
            .interface_value
            .bad(format_args!("{file} holds {shown:?}, {why}"))
    })?;
    Ok(Ok(Node {
        mac,
        name: settings.naming.of_address_file(&address),
        interface,
        serial: serial(host),
    }))
}

/// `MUSTER_INTERFACE=auto`: the interface that netbooted, else the only physical wired one.
fn automatic(host: &Host) -> Result<Result<String, String>> {
    let address = |name: &str| host.read_text(format!("/sys/class/net/{name}/address"));
    let words = sources::kernel_words(&host.read_text("/proc/cmdline")?);
    if let Some((_, bootif)) = words.iter().rev().find(|(name, _)| name == "BOOTIF") {
        // PXELINUX puts the hardware type, 01 for Ethernet, in front.
        let wanted = Mac::parse(bootif.strip_prefix("01-").unwrap_or(bootif))
            .map_err(|why| anyhow!("BOOTIF={bootif}: {why}"))?;
        for name in interfaces(host) {
            if Mac::parse(address(&name)?.trim_end()) == Ok(wanted) {
                return Ok(Ok(name));
            }
        }
        return Ok(Err(format!(
            "no interface has the address of BOOTIF={bootif}"
        )));
    }
    let mut wired = interfaces(host);
    wired.retain(|name| {
        let has = |what: &str| {
            host.metadata(format!("/sys/class/net/{name}/{what}"))
                .is_some()
        };
        has("device") && !has("wireless") && !has("phy80211")
    });
    Ok(match wired.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err("there is no physical wired interface".into()),
        several => Err(format!(
            "several interfaces are physical ({}): name one of them",
            several.join(", ")
        )),
    })
}

/// The interfaces that exist, without loopback.
fn interfaces(host: &Host) -> Vec<String> {
    let mut names = host.list("/sys/class/net");
    names.retain(|name| name != "lo");
    names
}

/// The board's serial number, where its firmware gives one in the device tree, as the Raspberry Pi's does. (A PC's DMI serial
/// is often a placeholder shared by a whole series, so it is left out.)
fn serial(host: &Host) -> Option<String> {
    let bytes = host.read("/proc/device-tree/serial-number").ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(['\0', '\n', ' ']);
    (!text.is_empty()).then(|| text.into())
}

/// `/etc/hosts` with one line of muster's for the name; all other lines stay as they are.
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

/// A machine-id for the board: the same at each boot, another on each board. It is no secret: whoever knows the MAC address
/// and the serial number can derive it.
fn derive_machine_id(node: &Node) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"muster machine-id");
    hex::encode(&hmac::sign(&key, &node.hardware_id()).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::hostname::Naming;

    fn node(serial: Option<&str>) -> Node {
        let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
        let name = Naming::new("worker-", 6).unwrap().of(mac);
        Node {
            mac,
            name,
            interface: "eth0".into(),
            serial: serial.map(String::from),
        }
    }

    #[test]
    fn hosts_keeps_lines_and_changes_only_its_own() {
        let name = node(None).name;
        let first = hosts("127.0.0.1 localhost\n10.0.0.9 nas # muster it not\n", &name);
        assert_eq!(
            first,
            "127.0.0.1 localhost\n10.0.0.9 nas # muster it not\n127.0.1.1\tworker-b5b697 # muster\n"
        );
        assert_eq!(hosts(&first, &name), first);
        assert_eq!(
            hosts("", &name),
            "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tworker-b5b697 # muster\n"
        );
    }

    #[test]
    fn machine_id_golden_vectors() {
        // HMAC-SHA-256 keyed "muster machine-id" over the bytes of the MAC address, then of the serial number.
        assert_eq!(derive_machine_id(&node(None)), GOLDEN);
        assert_eq!(
            derive_machine_id(&node(Some("10000000abcdef01"))),
            GOLDEN_WITH_SERIAL
        );
    }

    const GOLDEN: &str = "9286970a6a2fabea360c814e94a129ba";
    const GOLDEN_WITH_SERIAL: &str = "0fc68e29e0ca7e71f9c07220c17f3183";
}
