//! Finds out whether a DHCP client is running, from the process list.

use super::Host;

/// Whether a DHCP client that keeps renewing runs for the interface, in this network namespace.
pub fn client_runs(host: &Host, interface: &str) -> bool {
    let here = host.link_target("/proc/self/ns/net");
    host.list("/proc")
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .any(|pid| {
            let Ok(command) = host.read_text(format!("/proc/{pid}/cmdline")) else {
                return false;
            };
            let argv: Vec<&str> = command.split_terminator('\0').collect();
            renews(&argv, interface) && host.link_target(format!("/proc/{pid}/ns/net")) == here
        })
}

/// Whether this is the command line of a udhcpc that keeps `interface`'s lease. The one that an initramfs runs with `-q` quits
/// after its lease, so nobody renews that.
fn renews(argv: &[&str], interface: &str) -> bool {
    let mut argv = argv.iter().copied();
    let mut program = argv.next().and_then(|path| path.rsplit('/').next());
    if program == Some("busybox") {
        program = argv.next();
    }
    if program != Some("udhcpc") {
        return false;
    }
    let arguments: Vec<&str> = argv.collect();
    let named = arguments
        .windows(2)
        .any(|pair| pair[0].ends_with('i') && is_flags(pair[0]) && pair[1] == interface)
        || arguments.contains(&format!("-i{interface}").as_str());
    let quits = arguments
        .iter()
        .any(|word| is_flags(word) && word.contains(['q', 'n']));
    named && !quits
}

/// Whether a word is a bundle of udhcpc's one-letter flags, such as `-fq`; never an option's value.
fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty() && letters.bytes().all(|b| b"fbqRBnSoCi".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_renews_this_interface_counts() {
        let runs = |line: &str| renews(&line.split(' ').collect::<Vec<_>>(), "eth0");
        assert!(runs(
            "udhcpc -b -t 3 -T 2 -i eth0 -p /run/udhcpc.eth0.pid -x hostname:worker-1"
        ));
        assert!(runs("/bin/busybox udhcpc -bi eth0"));
        assert!(runs("/sbin/udhcpc -ieth0 -x hostname:quinn"));
        assert!(!runs("udhcpc -i eth0 -f -q"));
        assert!(!runs("udhcpc -i eth0 -fn"));
        assert!(!runs("udhcpc -i eth1"));
        assert!(!runs("grep udhcpc -i eth0"));
        assert!(!runs("vi udhcpc"));
    }
}
