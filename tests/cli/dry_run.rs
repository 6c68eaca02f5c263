//! The dry run, and what the program says before any boot.

use crate::root::{Root, SECRET, assert_one_line, snapshot, stderr, stdout};
use std::fs;
use std::process::Command;

#[test]
fn dry_run_prints_the_boot_and_changes_nothing() {
    let root = Root::new();
    let before = snapshot(root.folder());
    let output = root.muster(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (asset, sums) = match std::env::consts::ARCH {
        "x86_64" => ("k3s", "sha256sum-amd64.txt"),
        "aarch64" => ("k3s-arm64", "sha256sum-arm64.txt"),
        "arm" => ("k3s-armhf", "sha256sum-arm.txt"),
        other => panic!("k3s has no release for {other}"),
    };
    let plan = include_str!("plan.txt")
        .replace("{root}", root.folder().to_str().unwrap())
        .replace("{asset}", asset)
        .replace("{sums}", sums);
    assert_eq!(stdout(&output), plan);
    assert_eq!(snapshot(root.folder()), before);
    assert!(!stdout(&output).contains(SECRET) && !stderr(&output).contains(SECRET));
}

#[test]
fn the_plan_names_the_image_archive_where_it_is_asked_for() {
    let root = Root::new();
    let line = |flags: &[&str]| {
        let plan = stdout(&root.muster(&[&["--dry-run"], flags].concat()));
        let mut lines = plan.lines().filter(|line| line.contains("airgap"));
        let line = lines.next().map(String::from);
        assert_eq!(lines.next(), None, "{plan}");
        line
    };
    assert_eq!(line(&[]), None);
    let images = ["--set", "MUSTER_AIRGAP_IMAGES=yes"];
    let folder = "fetch: install /var/lib/rancher/k3s/agent/images/k3s-airgap-images-";
    let planned = line(&images).unwrap();
    assert!(planned.starts_with(folder), "{planned}");
    for words in [".tar.zst (0644) from ", "does not fit into the memory"] {
        assert!(planned.contains(words), "{planned}");
    }
    // The pinned digest is that of k3s alone.
    let digest = format!("MUSTER_K3S_SHA256={}", "0".repeat(64));
    let planned = line(&[&images[..], &["--set", &digest]].concat()).unwrap();
    assert!(planned.contains("of the server or the mirror"), "{planned}");
    root.write("etc/rancher/k3s/config.yaml", "data-dir: /srv/k3s\n");
    let planned = line(&images).unwrap();
    assert!(
        planned.starts_with("fetch: install /srv/k3s/agent/images/"),
        "{planned}"
    );
    let image = ["--set", "INSTALL_K3S_SKIP_DOWNLOAD=true"];
    assert_eq!(line(&[&images[..], &image].concat()), None);
}

#[test]
fn the_plan_of_another_board_needs_no_interface() {
    let root = Root::new();
    let here = stdout(&root.muster(&["--dry-run"]));
    fs::remove_dir_all(root.path("sys")).unwrap();
    // A record of a boot says nothing of another board.
    root.write("run/muster/boot.json", "{}");
    let plan = |flags: &[&str]| {
        let output = root.muster(&[&["--dry-run", "--mac", "52-54-00-12-34-56"], flags].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        output
    };
    assert_eq!(stdout(&plan(&[])), here);
    let auto = plan(&["--set", "MUSTER_INTERFACE=auto"]);
    assert_eq!(stdout(&auto), here);
    let warning = stderr(&auto);
    assert_eq!(warning.lines().count(), 1, "{warning}");
    let words = "the plan names eth0, but with MUSTER_INTERFACE=auto the board may use another";
    assert!(warning.contains(words), "{warning}");
    let lan0 = stdout(&plan(&["--set", "MUSTER_INTERFACE=lan0"]));
    assert!(lan0.contains("network: run ip link set lan0 up"), "{lan0}");
    // The node secret may still be elsewhere, like the token below.
    let secret = "MUSTER_NODE_SECRET_FILE=/etc/muster/node-secret";
    let output = plan(&["--set", secret]);
    assert_eq!(stdout(&output), here);
    let warning = stderr(&output);
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(
        warning.contains(secret.split('=').next().unwrap()),
        "{warning}"
    );
    assert!(warning.contains("the plan goes on without it"), "{warning}");
    root.write("etc/muster/node-secret", "\n");
    let empty = root.muster(&["--dry-run", "--mac", "52:54:00:12:34:56", "--set", secret]);
    assert_eq!(empty.status.code(), Some(2));
    // The token may still be on the server only.
    fs::remove_file(root.path("etc/muster/token")).unwrap();
    let output = plan(&[]);
    assert_eq!(stdout(&output), here);
    let warning = stderr(&output);
    assert!(warning.contains("/etc/muster/token"), "{warning}");
    assert!(warning.contains("the plan goes on without it"), "{warning}");
    root.write("etc/muster/token", "K10abc\n");
    let damaged = root.muster(&["--dry-run", "--mac", "52:54:00:12:34:56"]);
    assert_eq!(damaged.status.code(), Some(2));
}

#[test]
fn a_mac_address_is_for_a_plan_only() {
    let root = Root::new();
    let why =
        "--mac ADDRESS gives the board of a plan: use it with --dry-run, and without a command";
    for words in [
        &["identity"][..],
        &[],
        &["--dry-run", "check"],
        &["--dry-run", "name", "b8:27:eb:00:00:01"],
        &["--supervised"],
    ] {
        let words = [&["--mac", "52:54:00:12:34:56"], words].concat();
        assert_one_line("--mac", &root.muster(&words), &[why]);
    }
    let output = root.muster(&["--dry-run", "--mac", "52:54"]);
    assert_one_line(
        "bad",
        &output,
        &["MAC=\"52:54\" (--mac): not a MAC address"],
    );
}

#[test]
fn the_plan_of_another_board_is_not_made_from_the_files_of_this_machine() {
    let root = Root::new();
    let mac = "52:54:00:12:34:56";
    let remedy = format!(
        "unpack its overlay (mkdir FOLDER; tar -xzf worker.apkovl.tar.gz -C FOLDER), then run \
         muster --dry-run --mac {mac} --root FOLDER"
    );
    let without_root = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["--dry-run", "--mac", mac])
        .env_clear()
        .output();
    for output in [
        without_root.unwrap(),
        root.muster(&["--dry-run", "--mac", mac, "--root", "/"]),
    ] {
        assert_one_line("--root", &output, &[&remedy]);
    }
    let help = root.muster(&["--mac", mac, "--help"]);
    assert!(help.status.success());
}

#[test]
fn the_plan_of_another_board_does_not_judge_the_machine() {
    let root = Root::new();
    fs::remove_dir_all(root.path("sys")).unwrap();
    root.write("etc/rancher/k3s/config.yaml", "flannel-iface: lan0\n");
    root.write("proc/meminfo", "MemTotal: 400000 kB\n");
    let mounts = "22 1 0:21 / / rw - rootfs x rw\n";
    root.write("proc/self/mountinfo", mounts);
    let plan = ["--dry-run", "--mac", "52:54:00:12:34:56"];
    let output = root.muster(&plan);
    assert!(output.status.success());
    assert_eq!(stderr(&output), "");
    // The plan of this machine has them all.
    root.write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
    let warnings = stderr(&root.muster(&["--dry-run"]));
    for words in [
        "a boot would stop here: / is a file system of type rootfs",
        "a boot would stop here: flannel-iface=",
        "this board has 409 MB of memory",
        "set MUSTER_INTERFACE=lan0",
    ] {
        assert!(warnings.contains(words), "{words:?}: {warnings}");
    }
}

#[test]
fn words_for_what_muster_does_otherwise_are_answered() {
    let root = Root::new();
    for (word, answer) in [
        ("plan", "muster --dry-run prints what a boot would do"),
        ("upgrade", "run rc-service muster upgrade"),
        ("restart", "run rc-service muster restart"),
        ("stats", "did you mean status?"),
    ] {
        let said =
            format!("STEP={word:?} (command line): there is no such step or command; {answer}");
        assert_one_line(word, &root.muster(&[word]), &[&said]);
    }
}

#[test]
fn the_watch_over_a_node_has_no_plan() {
    let output = Root::new().muster(&["--dry-run", "health"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("muster health does not accept --dry-run"));
}

#[test]
fn status_before_any_boot_fails_and_says_so() {
    let root = Root::new();
    let output = root.muster(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("muster has not run in this boot"));
}

#[test]
fn the_version_has_the_day_of_the_build() {
    let epoch = muster::steps::clock::BUILD.as_secs();
    let mut date = Command::new("date");
    let day = date.args(["-u", "-d", &format!("@{epoch}"), "+%Y-%m-%d"]);
    let day = stdout(&day.output().unwrap());
    let version = stdout(&Root::new().muster(&["--version"]));
    let expected = concat!("muster ", env!("CARGO_PKG_VERSION"), " (");
    assert!(version.starts_with(expected), "{version}");
    assert!(
        version.ends_with(&format!("built {})\n", day.trim())),
        "{version}"
    );
}

#[test]
fn a_led_that_does_not_exist_is_told_with_those_that_do() {
    let root = Root::new();
    let warning = |root: &Root| {
        let output = root.muster(&["--dry-run", "--set", "MUSTER_LED=ACT"]);
        assert!(output.status.success());
        stderr(&output)
    };
    let no_led = "there is no LED ACT (MUSTER_LED); the LEDs of this board are: ";
    assert!(warning(&root).contains(&format!("{no_led}none\n")));
    root.write("sys/class/leds/led0/trigger", "[none]\n");
    root.write("sys/class/leds/led1/trigger", "[none]\n");
    assert!(warning(&root).contains(&format!("{no_led}led0, led1\n")));
    root.write("sys/class/leds/ACT/trigger", "[none]\n");
    assert_eq!(warning(&root), "");
}

#[test]
fn the_log_server_of_dhcp_is_planned_only_where_muster_runs_dhcp() {
    let root = Root::new();
    let sends = |flags: &[&str]| {
        let plan = stdout(&root.muster(&[&["--dry-run"], flags].concat()));
        plan.contains("network: send the log to ")
    };
    let without = ["--set", "MUSTER_DHCP=no"];
    let named = ["--set", "MUSTER_SYSLOG=10.0.0.5"];
    assert!(sends(&[]) && !sends(&without));
    assert!(sends(&[without, named].concat()));
}

#[test]
fn a_clock_before_the_settings_were_written_is_planned_to_be_set() {
    let root = Root::new();
    let sets = || {
        let plan = stdout(&root.muster(&["--dry-run"]));
        plan.contains("clock: set the clock to the time when this image was made, ")
    };
    assert!(!sets());
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(24 * 3600);
    let mut open = fs::File::options();
    let conf = open
        .append(true)
        .open(root.path("etc/conf.d/muster"))
        .unwrap();
    conf.set_modified(tomorrow).unwrap();
    assert!(sets());
}
