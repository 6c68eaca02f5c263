//! One board's boot, on real parts.

use muster_labs::{
    ASKED, Board, Kind, NamespaceBoard, Options, Output, PATIENCE, Service, Site, needs_standin,
    scenarios, server_k3s, wait_for,
};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const MAC: &str = "52:54:00:12:34:56";

#[test]
fn joins_and_is_the_same_node_after_a_boot_from_nothing() {
    scenarios::the_same_node_after_each_power_on(Kind::Namespace, 2);
}

/// `K3S` names a server in place of the stand-in. Here that is the stand-in once more, so that the way to a real one stays open.
#[test]
fn a_server_that_the_environment_names_is_joined_and_tests_of_the_standin_are_skipped() {
    if needs_standin("it names a server by itself") {
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    let skipped = "a_check_tells_what_is_missing_and_changes_nothing";
    again.args(["--exact", "powered_off_it_keeps_nothing", skipped]);
    again
        .env("K3S", server_k3s())
        .env("LABS_CACHE", logs.path());
    let output = again.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(" 2 passed; "), "{text}");
    let line = format!("skipped with a real k3s: {skipped}: {ASKED}");
    assert!(text.contains(&line), "{text}");
    assert_eq!(text.matches("skipped with").count(), 1, "{text}");
}

#[test]
fn another_board_is_another_node_beside_it() {
    scenarios::another_board_is_another_node_beside_it(Kind::Namespace);
}

#[test]
fn powered_off_it_keeps_nothing() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.boot_to_joined();
    assert!(board.read("/etc/rancher/node/password").is_some());
    board.power_on_without_muster();
    assert_eq!(board.read("/etc/rancher/node/password"), None);
}

#[test]
fn says_nothing_on_the_cable_before_its_name_is_set() {
    let site = Site::new(Options {
        dnsmasq: format!("dhcp-host={MAC},intruder\n"),
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    let capture = board.capture();
    board.power_on_without_muster();
    let since = SystemTime::now();
    let boot = board.boot(&[]);
    // Said before it is done, so the time of the next line bounds when it was.
    boot.wait_for("set the hostname to worker-64e59a");
    let named = boot
        .wait_for("write /etc/hostname")
        .at
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    board.wait_joined(&boot, since);
    assert_eq!(board.run(&["hostname"]), "worker-64e59a\n");
    assert_eq!(board.read("/etc/hostname").unwrap(), "worker-64e59a\n");
    let frames = capture.frames();
    let first: f64 = frames
        .split_whitespace()
        .next()
        .expect("frames")
        .parse()
        .expect("a time");
    assert!(first > named, "first frame at {first}, name set by {named}");
    let discover = frames
        .split("DHCP-Message")
        .find(|part| part.contains("Discover"))
        .expect("a DISCOVER");
    assert!(
        discover.contains("Hostname (12), length 13: \"worker-64e59a\""),
        "{discover}"
    );
    assert!(
        site.service_log(Service::Dhcp).contains("intruder"),
        "the server offered no other name:\n{}",
        site.service_log(Service::Dhcp)
    );
}

#[test]
fn the_plan_is_the_boot_and_touches_nothing() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    // The link is up and quiet, so that a packet of the plan's could leave and would be the only one.
    board.run(&["sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1"]);
    board.run(&["ip", "link", "set", "eth0", "up"]);
    board.run(&["ip", "addr", "add", "10.11.0.9/24", "dev", "eth0"]);
    let everything = [
        "sh",
        "-c",
        "find / -xdev \\( -type f -o -type l \\) | sort | xargs md5sum; find / -xdev | sort | xargs stat -c '%n %a %u'",
    ];
    let before = board.run(&everything);
    let capture = board.capture();
    let plan = board
        .command_as_nobody(&["/usr/sbin/muster", "--dry-run"])
        .output()
        .unwrap();
    let frames = capture.frames();
    let (plan, said) = (
        String::from_utf8(plan.stdout).unwrap(),
        String::from_utf8(plan.stderr).unwrap(),
    );
    assert_eq!(frames, "", "a plan sends nothing");
    assert_eq!(board.run(&everything), before, "a plan changes nothing");
    assert_eq!(board.run(&["hostname"]), "localhost\n");
    assert!(
        said.contains(
            "K3S_TOKEN_FILE=\"/etc/muster/token\" (default): this user may not read the file"
        ),
        "{said}"
    );

    board.run(&["ip", "addr", "flush", "dev", "eth0"]);
    let boot = board.boot_to_joined();
    let effects: Vec<String> = boot
        .lines()
        .iter()
        .filter_map(|line| line.text.strip_prefix("muster: effect: ").map(String::from))
        .collect();
    assert_eq!(plan.lines().collect::<Vec<_>>(), effects);
    assert!(plan.lines().count() > 12, "{plan}");
    let secret = site.token().rsplit(':').next().unwrap().to_string();
    assert!(!plan.contains(&secret) && !said.contains(&secret));
}

#[test]
fn a_token_is_found_nowhere_but_in_its_file() {
    // Slow enough that the download is still going on when the `.part` is looked at.
    let site = Site::new(Options {
        k3s_size: 40_000_000,
        nginx: "limit_rate 20m;".into(),
        ..Options::default()
    });
    for in_conf in [false, true] {
        let mut board = NamespaceBoard::new(&site, if in_conf { "52:54:00:00:00:01" } else { MAC });
        let secret = site.token().rsplit(':').next().unwrap().to_string();
        let (own, copy) = match in_conf {
            false => ("/etc/muster/token", "/etc/muster/token"),
            true => {
                board.overlay.set("K3S_TOKEN", &site.token());
                board.overlay.token = None;
                ("/etc/conf.d/muster", "/run/muster/token")
            }
        };
        board.power_on_without_muster();
        let plan = board.run(&["/usr/sbin/muster", "--dry-run"]);
        let boot = board.boot(&[]);
        let mut seen = 0;
        // A file that is renamed or removed meanwhile is none that keeps it: `-s`, and what grep exits with is not asked.
        let search =
            format!("find / -xdev -type f -print0 | xargs -0 grep -ls -e '{secret}' | sort");
        // Throughout the boot, every process of the board's and every file.
        for line in [
            "broadcasting",
            "downloading",
            "starting /usr/local/bin/k3s",
            "joined as",
        ] {
            boot.wait_for(line);
            for pid in board.pids() {
                for file in ["cmdline", "environ"] {
                    let Ok(bytes) = std::fs::read(format!("/proc/{pid}/{file}")) else {
                        continue;
                    };
                    assert!(
                        !String::from_utf8_lossy(&bytes).contains(&secret),
                        "{file} of {pid}: at {line:?}"
                    );
                    seen += 1;
                }
            }
            if line == "downloading" {
                let part = board.path("/usr/local/bin/.k3s.part");
                wait_for("the part", PATIENCE, || part.exists().then_some(()));
            }
            let holders = board.run(&["sh", "-c", &search]);
            assert!(
                holders.lines().all(|file| file == own || file == copy),
                "at {line:?}: {holders}"
            );
        }
        assert!(seen > 16);
        let holders = board.run(&[
            "sh",
            "-c",
            &format!("find / -xdev -type f | xargs grep -l '{secret}' | sort"),
        ]);
        let holders: Vec<&str> = holders.lines().collect();
        let mut expected = vec![own, copy];
        expected.dedup();
        assert_eq!(holders, expected);
        assert_eq!(board.run(&["stat", "-c", "%a %u", copy]), "600 0\n");
        assert!(!boot.text().contains(&secret) && !plan.contains(&secret));
        assert!(
            board
                .read("/run/muster/status.json")
                .unwrap()
                .contains("\"done\"")
        );
    }
}

#[test]
fn k3s_takes_the_place_of_muster_and_hears_its_signals() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let since = SystemTime::now();
    let mut boot = board.boot(&[]);
    boot.wait_for("the hostname is");
    let pid = board.host_muster_pid().expect("muster runs");
    board.wait_joined(&boot, since);
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert!(
        program.ends_with("usr/local/bin/k3s"),
        "{}",
        program.display()
    );
    let left: Vec<_> = board
        .processes("muster")
        .into_iter()
        .filter(|(_, line)| line.starts_with("/usr/sbin/muster"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    muster_labs::run(&["kill", "-TERM", &pid.to_string()]);
    boot.wait_for("Received signal SIGTERM");
    assert!(boot.end().success());
}

#[test]
fn a_node_gets_its_own_configuration_and_loses_it_again() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    let labels = "node-label:\n  - rack=7\n";
    board
        .overlay
        .add("etc/muster/nodes/worker-64e59a.yaml", labels, 0o600);
    board.overlay.add(
        "etc/muster/nodes/worker-000000.yaml",
        "node-label: [rack=8]\n",
        0o600,
    );
    board.power_on_without_muster();
    let mut boot = board.boot_to_joined();
    // On the board, since the link is an absolute one.
    assert_eq!(
        board.run(&["cat", "/etc/rancher/k3s/config.yaml.d/50-node.yaml"]),
        labels
    );
    assert!(
        site.kubectl(&["get", "nodes", "--show-labels"])
            .contains("rack=7")
    );
    std::fs::remove_file(board.path("/etc/muster/nodes/worker-64e59a.yaml")).unwrap();
    // While k3s runs, no second one is started.
    board.signal_muster("KILL");
    boot.end();
    board
        .boot(&["join"])
        .wait_for("effect: join: remove /etc/rancher/k3s/config.yaml.d/50-node.yaml");
}

#[test]
fn k3s_gets_a_clean_start() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("INSTALL_K3S_SKIP_DOWNLOAD", "true");
    board
        .overlay
        .set("INSTALL_K3S_EXEC", "agent --node-label 'a=b c'");
    // In place of k3s, what tells how it was started.
    let tell = "#!/bin/sh\necho \"arguments: $(printf '[%s]' \"$@\")\"\nenv | grep K3S\ngrep SigIgn /proc/self/status\n";
    board.overlay.add("usr/local/bin/k3s", tell, 0o755);
    board.power_on_without_muster();
    let mut boot = Output::follow(
        board
            .command(&["/usr/sbin/muster"])
            .env("K3S_DATA_DIR", "/var/lib/elsewhere"),
    );
    boot.wait_for("arguments: [agent][--node-label][a=b c]");
    // Rust's own programs ignore SIGPIPE (13); those they become must not.
    let ignored = boot.wait_for("SigIgn:").text;
    let ignored = u64::from_str_radix(ignored.rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(ignored & (1 << 12), 0, "{ignored:x}");
    assert!(boot.end().success());
    let text = boot.text();
    let mut variables: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("K3S_"))
        .collect();
    variables.sort();
    let url = format!("K3S_URL={}", site.server_url());
    assert_eq!(
        variables,
        [
            "K3S_DATA_DIR=/var/lib/elsewhere",
            "K3S_NODE_NAME=worker-64e59a",
            "K3S_TOKEN_FILE=/etc/muster/token",
            &url
        ]
    );
}

#[test]
fn a_board_joins_though_run_is_full() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.shell("mkdir /run/muster && mount -t tmpfs -o nr_inodes=1 none /run/muster");
    board.boot_to_joined();
}

#[test]
fn another_root_folder_is_named_and_the_machine_is_not() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.shell(
        "mkdir -p /run/other/sys/class/net/eth0 && \
         cp /sys/class/net/eth0/address /run/other/sys/class/net/eth0/",
    );
    board.run(&["/usr/sbin/muster", "--root", "/run/other", "identity"]);
    assert_eq!(board.run(&["hostname"]), "localhost\n");
    let named = board.read("/run/other/etc/hostname");
    assert_eq!(named.as_deref(), Some("worker-64e59a\n"));
    // The same without another root names the machine.
    board.run(&["/usr/sbin/muster", "identity"]);
    assert_eq!(board.run(&["hostname"]), "worker-64e59a\n");
}

#[test]
fn a_check_tells_what_is_missing_and_changes_nothing() {
    if needs_standin(ASKED) {
        return;
    }
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let check = board
        .command(&["/usr/sbin/muster", "check"])
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    let text = String::from_utf8(check.stdout).unwrap();
    let down = "MISSING  address   eth0 is down, so nobody has asked DHCP for an address yet";
    assert!(text.contains(down), "{text}");
    let not_asked = "UNKNOWN  server    not checked: the interface has no address";
    assert!(text.contains(not_asked), "{text}");
    board.boot(&["identity", "network"]).end();
    let check = board.run(&["/usr/sbin/muster", "check"]);
    // The site's token is the server's own.
    let token = "WARNING  token     the join token is the server's own";
    // A namespace board has no modules of its own.
    let modules = "WARNING  modules   there is no /lib/modules/";
    let is_fine = |line: &str| {
        ["ok ", token, modules]
            .iter()
            .any(|start| line.starts_with(start))
    };
    assert!(
        check.contains(token) && check.lines().all(is_fine),
        "{check}"
    );
    assert!(
        check.contains(&format!("accepts the token and runs k3s {}", site.tag())),
        "{check}"
    );
    assert!(
        check.contains(&format!("mirror.lan:8443/k3s has k3s {}", site.tag())),
        "{check}"
    );
    // It asked for no node: the server knows none, nor a password.
    assert!(
        !site.nodes().keys().any(|name| name.starts_with("worker-")),
        "{:?}",
        site.nodes()
    );
    assert!(
        !site
            .server_requests()
            .iter()
            .any(|asked| asked.path.contains("kubelet"))
    );
    assert!(board.read("/usr/local/bin/k3s").is_none());
}
