//! `muster check` on boards without a network: it says what is wrong and what it cannot know, and
//! leaves no trace.

use crate::literals::literals;
use crate::root::{Root, snapshot, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/check.md");

/// A board whose only interface is none of this machine, so that nothing is sent.
fn board(conf: &str) -> Root {
    let root = Root::new();
    fs::remove_dir_all(root.path("sys/class/net/eth0")).unwrap();
    root.write("sys/class/net/board0/address", "52:54:00:12:34:56\n");
    root.write("sys/class/net/board0/flags", "0x1003\n");
    let conf = format!("MUSTER_INTERFACE=board0\n{conf}");
    root.write("etc/conf.d/muster", &conf);
    root.write(
        "proc/self/mountinfo",
        "22 1 0:21 / / rw shared:1 - tmpfs x rw\n",
    );
    root.write(
        "proc/meminfo",
        "MemTotal: 2000000 kB\nMemAvailable: 1500000 kB\n",
    );
    root
}

/// The exit status and the lines of a check, which leaves no trace.
fn check(root: &Root) -> (Option<i32>, String) {
    let before = snapshot(root.folder());
    let output = root.muster(&["check"]);
    assert_eq!(snapshot(root.folder()), before, "it left a trace");
    assert!(
        stderr(&output).contains("not ready: "),
        "{}",
        stderr(&output)
    );
    (output.status.code(), stdout(&output))
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

#[test]
fn a_resolver_that_keeps_pods_from_all_others_is_warned_of() {
    let root = board("K3S_URL=https://10.0.0.2:6443\n");
    let why = "WARNING  resolver  k3s gives all pods the DNS server 8.8.8.8, because ";
    root.write("etc/resolv.conf", "nameserver 10.0.0.1\n");
    assert!(!check(&root).1.contains(why));
    root.write(
        "etc/resolv.conf",
        "nameserver 10.0.0.1\nnameserver 169.254.1.1\n",
    );
    let line = format!("{why}/etc/resolv.conf names 169.254.1.1");
    let (missing, text) = check(&root);
    assert_lines(&text, &[&line]);
    assert_eq!(missing, Some(1), "the board has no address");
    // k3s is given another file for its pods.
    let file = ["--set", "K3S_RESOLV_CONF=/etc/pods", "check"];
    assert!(!stdout(&root.muster(&file)).contains(why));
    root.write("etc/rancher/k3s/config.yaml", "resolv-conf: /etc/pods\n");
    assert!(!check(&root).1.contains(why));
}

#[test]
fn without_a_network_it_says_what_it_could_not_know() {
    let (status, text) = check(&board("K3S_URL=https://10.0.0.2:6443\n"));
    assert_eq!(status, Some(1));
    assert_lines(
        &text,
        &[
            "ok       settings  K3S_URL=\"https://10.0.0.2:6443\" (/etc/conf.d/muster line 2)\n",
            "ok       interface worker-64e59a (board0 52:54:00:12:34:56)\n",
            "MISSING  address   no address on board0 yet: no DHCP client is running",
            "UNKNOWN  route     not known yet: the route and the resolver come with the address\n",
            "UNKNOWN  resolver  not known yet: the route and the resolver come with the address\n",
            "UNKNOWN  clock     no time server was asked: there is no address or no resolver\n",
            "ok       shared    / is a shared mount\n",
            "ok       root      ",
            "WARNING  modules   there is no /lib/modules/",
            "ok       memory    2048 MB, of which 1536 MB are available\n",
            "ok       space     ",
            "ok       token     the join token has a valid form, and contains the hash of the server's CA\n",
            "UNKNOWN  ca        not checked: the interface has no address\n",
            "UNKNOWN  server    not checked: the interface has no address\n",
            "UNKNOWN  mirror    not checked: the interface has no address\n",
        ],
    );
}

#[test]
fn half_configured_it_checks_the_rest() {
    let root = board("");
    fs::remove_file(root.path("etc/muster/token")).unwrap();
    let (status, text) = check(&root);
    assert_eq!(status, Some(2));
    assert_lines(
        &text,
        &[
            "MISSING  token     K3S_TOKEN_FILE=\"/etc/muster/token\" (default): there is no such file",
            "MISSING  server    K3S_URL=\"\" (not given): set the URL of the k3s server",
            "UNKNOWN  mirror    not checked: the URL of the server or the join token is not known\n",
            "ok       memory    ",
        ],
    );
    // One problem has one row.
    assert!(!text.contains("UNKNOWN  server"), "{text}");
}

#[test]
fn a_setting_that_is_wrong_or_unknown_does_not_end_the_check() {
    for (conf, why) in [
        (
            "MUSTER_DHCP=perhaps\n",
            "MUSTER_DHCP=\"perhaps\" (/etc/conf.d/muster line 2): must be yes or no\n",
        ),
        (
            "MUSTER_NPT=x\n",
            "MUSTER_NPT (/etc/conf.d/muster line 2): there is no such setting; did you mean",
        ),
    ] {
        let (status, text) = check(&board(conf));
        assert_eq!(status, Some(2));
        let why = format!("MISSING  settings  {why}");
        let not = "UNKNOWN  server    not checked: the settings cannot be used\n";
        assert_lines(&text, &[&why, not, "ok       memory    "]);
    }
    let root = board("");
    root.write(
        "etc/conf.d/muster",
        "MUSTER_INTERFACE=board9\nK3S_URL=https://10.0.0.2:6443\n",
    );
    let (status, text) = check(&root);
    assert_eq!(status, Some(2));
    assert_lines(
        &text,
        &[
            "MISSING  interface MUSTER_INTERFACE=\"board9\" (/etc/conf.d/muster line 1): there is no interface",
            "UNKNOWN  address   not checked: the interface is not known\n",
        ],
    );
}

#[test]
fn each_setting_has_its_place_and_what_it_hides() {
    let root = board("K3S_URL=https://10.0.0.2\nMUSTER_DHCP=yes\nHTTPS_PROXY=http://u:secret@p\n");
    root.write("proc/cmdline", "quiet MUSTER_DHCP=no\n");
    let (_, text) = check(&root);
    assert_lines(
        &text,
        &[
            "ok       settings  MUSTER_DHCP=\"no\" (kernel command line), not \"yes\" (/etc/conf.d/muster line 3)\n",
            "WARNING  settings  K3S_URL=\"https://10.0.0.2\" (/etc/conf.d/muster line 2) has no port",
            "ok       settings  HTTPS_PROXY=\"<redacted>\" (/etc/conf.d/muster line 4)\n",
            // Somebody else configures the interface, so the route does not come with DHCP.
            "MISSING  address   no address on board0 yet: muster sets no address",
            "MISSING  route     no default route, and k3s needs one\n",
        ],
    );
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_the_machine_lacks_is_told_with_the_remedy() {
    let root = board("K3S_URL=https://10.0.0.2:6443\n");
    root.write(
        "proc/self/mountinfo",
        "22 1 0:21 / / rw - rootfs x rw\n23 22 0:9 / /sys/fs/cgroup rw - cgroup x rw\n",
    );
    root.write(
        "proc/meminfo",
        "MemTotal: 200000 kB\nMemAvailable: 10000 kB\n",
    );
    root.write("sys/class/net/board0/carrier", "0\n");
    root.write("sys/class/net/board0/flags", "0x1002\n");
    root.write(
        "etc/muster/nodes/worker-64e59a.yaml",
        "flannel-iface: wg0\n",
    );
    let (_, text) = check(&root);
    assert_lines(
        &text,
        &[
            "MISSING  carrier   board0 has no carrier: check the cable and the switch port\n",
            "MISSING  address   board0 is down, so nobody has asked DHCP",
            "MISSING  cgroups   /sys/fs/cgroup has the type cgroup, and k3s needs cgroup v2: set rc_cgroup_mode",
            "ok       shared    / is not a shared mount yet; the prepare step of a boot makes / a shared mount\n",
            "MISSING  root      / is a file system of type rootfs, where no container can start",
            "WARNING  memory    this board has 204 MB of memory",
            "MISSING  space     k3s needs 65 MB in /usr/local/bin, which is in memory",
            "MISSING  config    flannel-iface=\"wg0\": there is no such interface",
        ],
    );
}

/// The names in the first column of a table of the page.
fn documented(head: &str) -> BTreeSet<String> {
    let (_, table) = PAGE.split_once(head).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_string())
        .collect()
}

#[test]
fn the_json_has_the_documented_fields_and_checks() {
    let root = board("K3S_URL=https://10.0.0.2:6443\n");
    let text = stdout(&root.muster(&["check", "--json"]));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["format"], &report["ready"]),
        (&1.into(), &false.into())
    );
    let checks = report["checks"].as_array().unwrap();
    let unknown = checks.iter().filter(|check| check["state"] == "unknown");
    assert_eq!(report["unknown"], unknown.count());
    let fields = report.as_object().unwrap().keys().cloned();
    let inner = checks[0].as_object().unwrap().keys();
    let fields = fields.chain(inner.map(|name| format!("checks[].{name}")));
    assert_eq!(
        fields.collect::<BTreeSet<_>>(),
        documented("\n| field | value |")
    );
    let names = documented("\n| check | what is checked |");
    for check in checks {
        assert!(names.contains(check["check"].as_str().unwrap()), "{check}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check");
    let files = fs::read_dir(folder).unwrap();
    let source = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let texts: BTreeSet<String> = source
        .flat_map(|file| literals(&file))
        .map(|found| found.text)
        .collect();
    let missing: Vec<&String> = names.difference(&texts).collect();
    assert!(
        missing.is_empty(),
        "documented and not in the source: {missing:?}"
    );
}

#[test]
fn a_weak_token_is_told_before_the_first_boot() {
    let root = board("K3S_URL=https://127.0.0.1:1\n");
    root.write("etc/muster/token", "only-a-password\n");
    let output = root.muster(&["check", "--settings"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("WARNING  token     the join token has no CA hash"),
        "{text}"
    );
    assert!(!text.contains("no mistake"), "{text}");
}

#[test]
fn one_wrong_setting_or_file_is_enough_for_status_2() {
    let token = "etc/muster/token";
    for (conf, file, text, line) in [
        (
            "",
            "etc/rancher/k3s/config.yaml",
            "token: x\n",
            "MISSING  config    token (/etc/rancher",
        ),
        ("", token, "", "MISSING  token     K3S_TOKEN_FILE="),
        (
            "MUSTER_NODE_SECRET_FILE=/none\n",
            token,
            "password\n",
            "MISSING  token     MUSTER_NODE_SECRET_FILE=",
        ),
    ] {
        let root = board(&format!("K3S_URL=https://10.0.0.2:6443\n{conf}"));
        root.write(file, text);
        let (status, text) = check(&root);
        assert_lines(&text, &[line]);
        assert_eq!(status, Some(2), "{line}");
    }
}

/// A board whose interface is lo, so that it has an address. `resolver` is for `/etc/resolv.conf`.
fn local_board(flags: &str, resolver: &str) -> Root {
    // Nothing listens on this port, nor on that of a time server.
    let root = board("K3S_URL=https://127.0.0.1:1\nMUSTER_NTP=127.0.0.1\n");
    let conf = fs::read_to_string(root.path("etc/conf.d/muster")).unwrap();
    root.write("etc/conf.d/muster", &conf.replace("=board0", "=lo"));
    root.write("sys/class/net/lo/address", "52:54:00:12:34:56\n");
    root.write("sys/class/net/lo/flags", flags);
    root.write("etc/resolv.conf", resolver);
    root
}

#[test]
fn with_an_address_the_server_is_asked_and_the_time_server_if_its_name_can_be_looked_up() {
    let asked_no_time = "UNKNOWN  clock     no time server was asked";
    let (status, text) = check(&local_board("0x1003\n", ""));
    assert_eq!(status, Some(1));
    assert_lines(
        &text,
        &[
            "ok       carrier   lo has a carrier\n",
            "ok       address   lo has 127.0.0.1\n",
            "MISSING  resolver  no resolver",
            asked_no_time,
            "MISSING  server    https://127.0.0.1:1/cacerts: Connection refused",
            "UNKNOWN  ca        not checked, because the check `server` found a problem\n",
        ],
    );
    let (_, text) = check(&local_board("0x1002\n", "nameserver 192.0.2.1\n"));
    assert_lines(
        &text,
        &[
            "UNKNOWN  carrier   lo is down, so the kernel does not know",
            "ok       address   lo has 127.0.0.1\n",
            "ok       resolver  /etc/resolv.conf names a resolver\n",
        ],
    );
    assert!(!text.contains(asked_no_time), "{text}");
}

#[test]
fn what_the_kernel_has_is_told_as_it_is() {
    let root = board("K3S_URL=https://10.0.0.2:6443\n");
    root.write(
        "sys/fs/cgroup/cgroup.controllers",
        "cpu cpuset memory pids\n",
    );
    for module in [
        "overlay",
        "br_netfilter",
        "nf_conntrack",
        "vxlan",
        "nft_compat",
        "nft_chain_nat",
    ] {
        root.write(&format!("sys/module/{module}/refcnt"), "1\n");
    }
    let mounts = fs::read_to_string(root.path("proc/self/mountinfo")).unwrap();
    let cgroup = "23 22 0:9 / /sys/fs/cgroup rw - cgroup2 x rw\n";
    for (mounts, cgroups) in [
        (mounts.clone(), "cgroup v2 is not mounted yet"),
        (
            mounts + cgroup,
            "the kernel has the controllers that k3s needs",
        ),
    ] {
        root.write("proc/self/mountinfo", &mounts);
        let (_, text) = check(&root);
        let cgroups = format!("ok       cgroups   {cgroups}");
        let modules = "ok       modules   the kernel has the modules that k3s needs\n";
        assert_lines(&text, &[&cgroups, modules]);
    }
}

/// Older releases of k3s end their check with status 1 when something is missing.
#[test]
fn the_check_of_an_unpacked_k3s_is_run() {
    let root = board("K3S_URL=https://10.0.0.2:6443\nINSTALL_K3S_SKIP_DOWNLOAD=true\n");
    root.write("var/lib/rancher/k3s/data/current/bin/k3s", "");
    let program = "usr/local/bin/k3s";
    for (end, line) in [
        (
            "exit 0",
            "ok       k3s       k3s check-config finds no failure\n",
        ),
        (
            "echo '- CONFIG_VETH: missing (fail)'; exit 1",
            "WARNING  k3s       k3s check-config: CONFIG_VETH: missing (fail)\n",
        ),
    ] {
        root.write(program, &format!("#!/bin/sh\n{end}\n"));
        fs::set_permissions(root.path(program), Permissions::from_mode(0o755)).unwrap();
        assert_lines(&check(&root).1, &[line]);
    }
}
