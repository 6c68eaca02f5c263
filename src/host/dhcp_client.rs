//! Finds out whether a DHCP client is running, from the process list.

use super::Host;

/// Whether a DHCP client that renews the lease of `interface` is running in the network namespace
/// of this process.
pub fn is_client_running(host: &Host, interface: &str) -> bool {
    let namespace = host.link_target("/proc/self/ns/net");
    host.list("/proc")
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .any(|pid| {
            let Ok(command) = host.read_text(format!("/proc/{pid}/cmdline")) else {
                return false;
            };
            let argv: Vec<&str> = command.split_terminator('\0').collect();
            is_renewing_client(&argv, interface)
                && host.link_target(format!("/proc/{pid}/ns/net")) == namespace
        })
}

/// Whether `argv` is a udhcpc that renews the lease of `interface`. With `-q`, as in an initramfs,
/// udhcpc exits as soon as it has a lease; with `-n` it exits when it gets no lease. So neither of
/// these counts.
fn is_renewing_client(argv: &[&str], interface: &str) -> bool {
    let mut argv = argv.iter().copied();
    let mut program = argv.next().and_then(|path| path.rsplit('/').next());
    if program == Some("busybox") {
        program = argv.next();
    }
    if program != Some("udhcpc") {
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
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_renews_this_interface_counts() {
        let runs = |line: &str| is_renewing_client(&line.split(' ').collect::<Vec<_>>(), "eth0");
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
