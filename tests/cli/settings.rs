//! Where settings come from, and where they are documented.

use crate::root::{Root, assert_one_line, stderr, stdout};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_flag_beats_kernel_command_line_environment_and_conf_d() {
    let root = Root::new();
    let name = |root: &Root, environment: &[(&str, &str)], flags: &[&str]| {
        let mut command = root.command(flags);
        let output = command
            .args(["--dry-run", "identity"])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        stdout(&output)
            .lines()
            .next()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_string()
    };
    assert_eq!(name(&root, &[], &[]), "worker-64e59a");
    root.write(
        "etc/conf.d/muster",
        "MUSTER_HOSTNAME_PREFIX=\"conf-\"\nMUSTER_HOSTNAME_LENGTH='4'\n",
    );
    assert_eq!(name(&root, &[], &[]), "conf-64e5");
    let environment = [("MUSTER_HOSTNAME_PREFIX", "env-")];
    assert_eq!(name(&root, &environment, &[]), "env-64e5");
    root.write("proc/cmdline", "quiet MUSTER_HOSTNAME_PREFIX=kernel-\n");
    assert_eq!(name(&root, &environment, &[]), "kernel-64e5");
    assert_eq!(
        name(
            &root,
            &environment,
            &["--set", "MUSTER_HOSTNAME_PREFIX=flag-"]
        ),
        "flag-64e5"
    );
    // An empty prefix is a valid prefix.
    assert_eq!(
        name(&root, &environment, &["--set", "MUSTER_HOSTNAME_PREFIX="]),
        "64e5"
    );
}

#[test]
fn another_settings_file_is_read_in_place_of_the_usual_one() {
    let root = Root::new();
    root.write("etc/other", "MUSTER_HOSTNAME_PREFIX=other-\n");
    let output = root.muster(&["--conf", "/etc/other", "name", "52:54:00:12:34:56"]);
    assert_eq!(stdout(&output), "52:54:00:12:34:56 other-64e59a\n");
    let output = root.muster(&["--conf", "/etc/absent", "name", "52:54:00:12:34:56"]);
    assert_one_line(
        "absent",
        &output,
        &["--conf /etc/absent: there is no such file"],
    );
}

#[test]
fn auto_picks_the_netbooted_or_the_only_physical_interface() {
    let root = Root::new();
    root.write("sys/class/net/eth1/address", "b8:27:eb:00:00:01\n");
    root.write("sys/class/net/eth1/device/vendor", "");
    root.write("sys/class/net/wlan0/address", "b8:27:eb:00:00:02\n");
    root.write("sys/class/net/wlan0/device/vendor", "");
    root.write("sys/class/net/wlan0/phy80211/index", "");
    let arguments = ["--dry-run", "--set", "MUSTER_INTERFACE=auto", "identity"];
    assert!(stdout(&root.muster(&arguments)).contains("worker-b5b697"));
    root.write("proc/cmdline", "BOOTIF=01-52-54-00-12-34-56\n");
    assert!(stdout(&root.muster(&arguments)).contains("worker-64e59a"));
    root.write("proc/cmdline", "");
    root.write("sys/class/net/eth0/device/vendor", "");
    assert_one_line(
        "two physical interfaces",
        &root.muster(&arguments),
        &["MUSTER_INTERFACE=\"auto\" (--set)", "eth0, eth1"],
    );
}

#[test]
fn readme_and_conf_d_list_every_setting() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let conf =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openrc/muster.confd")).unwrap();
    for setting in muster::settings::SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{}` | {default} | {} |", setting.name, setting.meaning);
        assert!(readme.contains(&row), "README.md lacks: {row}");
        let line = format!("{}=\"", setting.name);
        // A token must not be in this file, which everybody can read.
        let is_secret = setting.name == "K3S_TOKEN";
        assert!(
            conf.contains(&line) != is_secret,
            "openrc/muster.confd: {}",
            setting.name
        );
    }
}

#[test]
fn a_secret_file_that_every_user_can_read_is_warned_of() {
    let root = Root::new();
    let secret = "etc/muster/secret";
    root.write(secret, "node-secret\n");
    let warnings = |root: &Root| {
        let set = ["--set", "MUSTER_NODE_SECRET_FILE=/etc/muster/secret"];
        let output = root.command(&set).arg("--dry-run").output().unwrap();
        assert!(output.status.success());
        let text = stderr(&output);
        let lines = text
            .lines()
            .filter(|line| line.contains("every user can read"));
        lines.map(String::from).collect::<Vec<_>>()
    };
    let allow = |file: &str, mode| {
        fs::set_permissions(root.path(file), Permissions::from_mode(mode)).unwrap()
    };
    for (token_mode, secret_mode, expected) in [
        (0o600, 0o640, &[][..]),
        (0o644, 0o400, &["K3S_TOKEN_FILE"]),
        (0o604, 0o644, &["K3S_TOKEN_FILE", "MUSTER_NODE_SECRET_FILE"]),
    ] {
        allow("etc/muster/token", token_mode);
        allow(secret, secret_mode);
        let lines = warnings(&root);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, name) in lines.iter().zip(expected) {
            assert!(line.contains(name) && line.contains("chmod 600"), "{line}");
        }
    }
}

#[test]
fn commands_that_k3s_is_too_are_linked_where_they_do_not_exist() {
    let root = Root::new();
    let links = |flags: &[&str]| -> Vec<String> {
        let plan = root.command(&[&["--dry-run"], flags, &["fetch"]].concat());
        let plan = stdout(&{ plan }.env("PATH", "/usr/bin:/bin").output().unwrap());
        let link = |line: &str| line.strip_prefix("fetch: link ").map(String::from);
        plan.lines().filter_map(link).collect()
    };
    let to = |path: &str| format!("{path} to k3s");
    let all = ["kubectl", "crictl", "ctr"].map(|name| to(&format!("/usr/local/bin/{name}")));
    assert_eq!(links(&[]), all);
    let moved = ["--set", "INSTALL_K3S_BIN_DIR=/opt/bin"];
    assert_eq!(links(&moved)[0], to("/opt/bin/kubectl"));
    root.write("usr/bin/kubectl", "");
    root.write("usr/local/bin/ctr", "");
    assert_eq!(links(&[]), all[1..2]);
    assert_eq!(links(&["--set", "INSTALL_K3S_SYMLINK=force"]), all);
    let none: [String; 0] = [];
    assert_eq!(links(&["--set", "INSTALL_K3S_SYMLINK=skip"]), none);
    let image = ["--set", "INSTALL_K3S_SKIP_DOWNLOAD=true"];
    assert_eq!(links(&image), all[1..2]);
    let read_only = ["--set", "INSTALL_K3S_BIN_DIR_READ_ONLY=true"];
    assert_eq!(links(&read_only), none);
}

#[test]
fn proxies_in_conf_d_reach_k3s_and_are_not_shown() {
    let root = Root::new();
    let conf = "K3S_URL=https://10.0.0.2:6443\nhttps_proxy=http://u:secret@proxy\nCONTAINERD_NO_PROXY=secret\n";
    root.write("etc/conf.d/muster", conf);
    let plan = stdout(&root.muster(&["--dry-run", "join"]));
    let words = "CONTAINERD_NO_PROXY=<redacted> HTTPS_PROXY=<redacted> /usr/local/bin/k3s agent";
    assert!(plan.contains(words) && !plan.contains("secret"), "{plan}");
}

#[test]
fn a_variable_of_the_install_script_that_means_nothing_is_named_in_a_warning() {
    let root = Root::new();
    let output = root.muster(&["--dry-run", "--set", "INSTALL_K3S_NAME=x", "identity"]);
    assert!(output.status.success());
    let warning = "INSTALL_K3S_NAME (--set) has no effect: the service is called muster";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
}

/// The warnings of a dry run with these flags and lines of the settings file.
fn warnings(root: &Root, conf: &str, flags: &[&str]) -> Vec<String> {
    root.write("etc/conf.d/muster", conf);
    let output = root.muster(&[&["--dry-run"], flags, &["identity"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stderr(&output);
    let lines = text.lines().filter(|line| line.contains("WARN: settings"));
    lines.map(String::from).collect()
}

#[test]
fn values_that_are_probably_a_mistake_are_warned_of() {
    let root = Root::new();
    let digest = "MUSTER_K3S_SHA256=".to_string() + &"0".repeat(64);
    let version = ["--set", "INSTALL_K3S_VERSION=v1.34.1+k3s1"];
    let cases: &[(&str, &[&str], &str)] = &[
        ("K3S_URL=https://a", &[], "no port, so port 443 is used"),
        ("K3S_ULR=https://a:6443", &[], "did you mean K3S_URL?"),
        (&digest, &[], "set INSTALL_K3S_VERSION too"),
        ("INSTALL_K3S_CHANNEL=stable", &version, "is not used"),
        (
            "if true; then\nMUSTER_NTP=a\nfi",
            &[],
            "line 1 is shell code",
        ),
    ];
    for (conf, flags, expected) in cases {
        let found = warnings(&root, conf, flags);
        assert_eq!(found.len(), 1, "{conf}: {found:?}");
        assert!(found[0].contains(expected), "{conf}: {found:?}");
    }
    for (conf, flags) in [
        (
            "K3S_URL=https://a:443\nK3S_DATA_DIR=/k3s\nHTTP_PROXY=http://p:1",
            &[][..],
        ),
        (&digest, &version),
        ("# a comment\nexport error_logger=\"logger -t muster\"", &[]),
        ("rc_need=\"$net\"\nK3S_URL=https://a:443", &[]),
    ] {
        assert_eq!(warnings(&root, conf, flags), [""; 0], "{conf}");
    }
}

#[test]
fn a_file_of_cas_without_a_certificate_is_warned_of_and_fails_the_check() {
    let root = Root::new();
    let conf = "K3S_URL=https://10.0.0.2:6443\nSSL_CERT_FILE=/etc/ca.pem\n";
    root.write("etc/conf.d/muster", conf);
    for (text, expected) in [
        (None, "there is no such file below /"),
        (Some("hello"), "the file has no certificate"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAA"),
            "the file is damaged",
        ),
    ] {
        if let Some(text) = text {
            root.write("etc/ca.pem", text);
        }
        let warning = stderr(&root.muster(&["--dry-run", "identity"]));
        assert!(
            warning.contains(expected) && warning.contains("uses the public CAs"),
            "{warning}"
        );
        let output = root.muster(&["check", "--settings"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).contains(expected), "{}", stdout(&output));
        let counted = "not ready: 1 thing that a boot needs is MISSING";
        assert!(stderr(&output).contains(counted), "{}", stderr(&output));
    }
}

#[test]
fn a_proxy_of_the_environment_that_muster_cannot_use_is_only_warned_of() {
    let root = Root::new();
    let proxy = ("https_proxy", "socks5h://127.0.0.1:1080");
    let output = root
        .command(&["--dry-run", "network"])
        .env(proxy.0, proxy.1)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let why = "HTTPS_PROXY=\"<redacted>\" (environment): must be the URL of an http or https proxy";
    assert!(stderr(&output).contains(why), "{}", stderr(&output));
}
