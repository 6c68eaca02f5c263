//! The faults behind the tables of the page: settings, and the files that settings name.

use crate::page::{entries, entry_of};
use crate::rows::put_token;
use crate::{BOARDS, Case, missing, print_time, set};
use muster_labs::{Board, NamespaceBoard, Options, Output, PATIENCE, Site, wait_for};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

const CONF: &str = "/etc/conf.d/muster";

/// What `muster check` finds missing for these faults only.
pub const CROSSES: [&str; 2] = ["settings", "token"];

/// A fault of the settings.
pub enum Bad {
    /// A line that is added to the settings file.
    Line(&'static str),
    /// The same, and the boot goes on with a warning.
    Warned(&'static str),
    /// What a script does. It leaves the settings file as it is, or adds its last line.
    Script(&'static str),
    /// The same, and the boot goes on with a warning.
    WarnedScript(&'static str),
}
use Bad::{Line, Script, Warned, WarnedScript};

/// Messages that are seen together, and their fault.
pub const SETTINGS: &[(&[&str], Bad)] = &[
    (&["there is no such setting"], Line("MUSTER_NAME=x")),
    (
        &["k3s's install script has no such variable"],
        Line("INSTALL_K3S_MIRROR=x"),
    ),
    (
        &["set the URL of the k3s server, such as"],
        Script("sed -i /^K3S_URL/d /etc/conf.d/muster"),
    ),
    (
        &["must be a URL and …", "begin with https://…"],
        Line("K3S_URL=http://k3s.lan:6443"),
    ),
    (&["is not a URL"], Line("K3S_URL=https://:x")),
    (
        &["a URL with user, password, query or fragment is not accepted"],
        Line("K3S_URL=https://k3s.lan:6443/?a=b"),
    ),
    (
        &["must not have a path"],
        Line("K3S_URL=https://k3s.lan:6443/path"),
    ),
    (&["must be yes or no"], Line("MUSTER_DHCP=perhaps")),
    (
        &["must be auto, no, or the name of a LED in /sys/class/leds"],
        Line("MUSTER_LED=a/b"),
    ),
    (
        &["must be the name or address of a log server"],
        Line("MUSTER_SYSLOG=a:b:c"),
    ),
    (
        &["must be an absolute path"],
        Line("INSTALL_K3S_BIN_DIR=bin"),
    ),
    (
        &["is not the name of a network interface"],
        Line("MUSTER_INTERFACE=../x"),
    ),
    (&["must be 64 hex digits"], Line("MUSTER_K3S_SHA256=abc")),
    (
        &["must be the URL of an http or https proxy"],
        Line("HTTPS_PROXY=socks5://proxy.lan:1080"),
    ),
    (
        &["must be the number of hex digits"],
        Line("MUSTER_HOSTNAME_LENGTH=x"),
    ),
    (
        &["a DNS label has at most 63"],
        Line(
            "MUSTER_HOSTNAME_PREFIX=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
    ),
    (
        &["may contain only lower-case letters"],
        Line("MUSTER_HOSTNAME_PREFIX=Worker_"),
    ),
    (
        &["cannot begin with a hyphen"],
        Line("MUSTER_HOSTNAME_PREFIX=-worker"),
    ),
    (&["must be a number of seconds"], Line("MUSTER_SPREAD=x")),
    (&["names no time server"], Line("MUSTER_NTP=,")),
    (
        &["and a time server: write"],
        Line("MUSTER_NTP=\"no pool\""),
    ),
    (
        &["must be the names or addresses of time servers"],
        Line("MUSTER_NTP=\"a/b\""),
    ),
    (
        &["must be the name of a release channel"],
        Line("INSTALL_K3S_CHANNEL=a/b"),
    ),
    (
        &["must be a release tag"],
        Line("INSTALL_K3S_VERSION=latest"),
    ),
    (
        &["must be a whole release tag"],
        Line("INSTALL_K3S_VERSION=v1.34.1"),
    ),
    (
        &["is neither server, github nor a URL"],
        Line("MUSTER_MIRRORS=githib"),
    ),
    (&["names no mirror"], Line("MUSTER_MIRRORS=,")),
    (
        &["must be skip or force, or have no value"],
        Line("INSTALL_K3S_SYMLINK=perhaps"),
    ),
    (
        &["muster names the node, from its MAC address"],
        Line("K3S_NODE_NAME=x"),
    ),
    (
        &["k3s would join under a longer name"],
        Line("INSTALL_K3S_EXEC=--with-node-id"),
    ),
    (
        &["the server refuses another name"],
        Line("INSTALL_K3S_EXEC=--kubelet-arg=hostname-override=x"),
    ),
    (
        &["muster runs only k3s agents"],
        Line("INSTALL_K3S_EXEC=server"),
    ),
    (
        &["k3s would ignore the words after it"],
        Line("INSTALL_K3S_EXEC=\"--docker word\""),
    ),
    (
        &["a quote is not closed"],
        Line("INSTALL_K3S_EXEC=\"--log 'a\""),
    ),
    (
        &["k3s agent does not have this flag"],
        Line("INSTALL_K3S_EXEC=--tls-san=x"),
    ),
    (
        &["muster and k3s must use the same server"],
        Line("INSTALL_K3S_EXEC=--server=https://x:6443"),
    ),
    (
        &["muster and k3s must use the same token"],
        Line("INSTALL_K3S_EXEC=--token-file=/x"),
    ),
    (
        &["muster prepares the machine for a k3s that runs as root"],
        Line("INSTALL_K3S_EXEC=--rootless"),
    ),
    (
        &[
            "every process can read",
            "put the join token in /etc/muster/token",
        ],
        Line("INSTALL_K3S_EXEC=--token=x"),
    ),
    (
        &[
            "every pod can read the kernel command line",
            "put the token in /etc/muster/token",
        ],
        Script("echo K3S_TOKEN=x >/run/cmdline; mount --bind /run/cmdline /proc/cmdline"),
    ),
    (
        &["refused, because every program that k3s starts would inherit this secret"],
        Line("K3S_VPN_AUTH=x"),
    ),
    (
        &["a build of a commit is in no release"],
        Line("INSTALL_K3S_COMMIT=x"),
    ),
    (
        &["cannot be downloaded without a login"],
        Line("INSTALL_K3S_PR=1"),
    ),
    (
        &["there must be no space before ="],
        Line("MUSTER_DHCP =yes"),
    ),
    (&["the closing quote is missing"], Line("MUSTER_DHCP=\"yes")),
    (
        &["must not continue on the next line"],
        Line("MUSTER_DHCP=yes\\"),
    ),
    (&["put the value in quotes"], Line("MUSTER_NTP=a;b")),
    (
        &["a value with spaces must be quoted"],
        Line("MUSTER_MIRRORS=server github"),
    ),
    (
        &["muster does not evaluate shell expansions"],
        Line("K3S_URL=https://$server:6443"),
    ),
    // Files
    (
        &["there is no such file"],
        Line("MUSTER_NODE_SECRET_FILE=/none"),
    ),
    (
        &["the file is empty"],
        Script(
            "touch /run/empty; printf 'MUSTER_NODE_SECRET_FILE=/run/empty\\nMUSTER_HOSTNAME_PREFIX=other-\\n' >>/etc/conf.d/muster",
        ),
    ),
    (&["is empty"], Script("echo >/etc/muster/token")),
    (
        &["the file is not UTF-8 text"],
        Script("printf '\\377\\376' >/etc/muster/token"),
    ),
    (
        &["the join token has more than one line"],
        Script("printf 'a\\nb\\n' >/etc/muster/token"),
    ),
    (
        &["is not a k3s token"],
        Script("head -c 5000 /dev/zero | tr '\\0' a >/etc/muster/token"),
    ),
    (
        &["is cut short"],
        Script("cut -c 1-67 /etc/muster/token >/run/cut; cat /run/cut >/etc/muster/token"),
    ),
    (
        &["is damaged: between K10 and ::"],
        Script("echo K10abc::node:word >/etc/muster/token"),
    ),
    (
        &["the file has no certificate"],
        WarnedScript("echo >/etc/muster/mirror-ca.pem"),
    ),
    (
        &["the file is damaged"],
        WarnedScript("printf '%s\\n' '-----BEGIN CERTIFICATE-----' AAA >/etc/muster/mirror-ca.pem"),
    ),
    (
        &["has a line break that is not a newline"],
        Script(
            "mkdir -p /etc/rancher/k3s; printf 'debug: true\\rv: 2\\n' >/etc/rancher/k3s/config.yaml",
        ),
    ),
    (
        &["in the first column"],
        Script("mkdir -p /etc/rancher/k3s; echo '  debug: true' >/etc/rancher/k3s/config.yaml"),
    ),
    (
        &["muster reads only this part of YAML"],
        Script("mkdir -p /etc/rancher/k3s; echo '{debug: true}' >/etc/rancher/k3s/config.yaml"),
    ),
    (
        &["is indented with a tab"],
        Script(
            "mkdir -p /etc/rancher/k3s; printf 'node-label:\\n\\t- a=b\\n' >/etc/rancher/k3s/config.yaml",
        ),
    ),
    (
        &["has a quote or a bracket that is not closed"],
        Script("mkdir -p /etc/rancher/k3s; echo 'node-label: [a=b' >/etc/rancher/k3s/config.yaml"),
    ),
    (
        &["…: every user can read"],
        WarnedScript("chmod 644 /etc/muster/token"),
    ),
    // Warnings
    (
        &["has no port, so port 443 is used"],
        Warned("K3S_URL=https://k3s.lan"),
    ),
    (
        &["is not used, because INSTALL_K3S_VERSION is set"],
        Warned("INSTALL_K3S_CHANNEL=stable\nINSTALL_K3S_VERSION=v1.34.1+k3s1"),
    ),
    (
        &["is the digest of one release"],
        Warned(
            "MUSTER_K3S_SHA256=0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ),
    (
        &["is not a setting of muster and is passed on to k3s"],
        Warned("K3S_URLS=x"),
    ),
    (&["has no effect"], Warned("INSTALL_K3S_NAME=x")),
    (
        &["is shell code, which OpenRC runs and muster does not"],
        Warned("echo hello"),
    ),
    (
        &["K3S_TOKEN is in … which every user can read"],
        Warned("K3S_TOKEN=x"),
    ),
];

/// The fault's script: how it is made.
fn fault(bad: &Bad) -> String {
    match bad {
        Line(line) | Warned(line) => {
            let quoted = line.replace('\'', "'\\''");
            format!("echo '{quoted}' >>{CONF}")
        }
        Script(script) | WarnedScript(script) => script.to_string(),
    }
}

/// Does what the page says.
fn repair(case: &Case, bad: &Bad) {
    let board = &case.board;
    match (case.entry.setting(), case.entry.takes_out(), bad) {
        (Some(line), ..) => {
            set(board, line);
            // The variable beside the setting, which the page says to take out too.
            if let Line(added) = bad {
                let (name, _) = added.split_once('=').expect("a setting");
                if !line.starts_with(name.trim()) {
                    take_out(board, name);
                }
            }
        }
        (None, true, Line(line) | Warned(line)) => {
            take_out(board, line.split('=').next().expect("a name"));
        }
        // The word of the kernel command line.
        (None, true, _) => _ = board.shell("umount /proc/cmdline"),
        // A file: it is written again, as it should be.
        (None, false, _) => {
            put_token(case.site, board);
            board.shell("chmod 600 /etc/muster/token; cp /run/ca /etc/muster/mirror-ca.pem; if [ -e /run/empty ]; then echo word >/run/empty; fi");
            board.shell("if [ -e /etc/rancher/k3s ]; then echo 'debug: true' >/etc/rancher/k3s/config.yaml; fi");
        }
    }
}

fn take_out(board: &NamespaceBoard, start: &str) {
    board.shell(&format!(
        "sed '/^{start}/d' {CONF} >/run/conf; cat /run/conf >{CONF}"
    ));
}

/// Makes a fault and repairs it. Returns what `muster check` found missing meanwhile.
fn try_setting(case: &Case, bad: &Bad) -> BTreeSet<String> {
    let board = &case.board;
    board.shell(&format!(
        "cp /run/right {CONF}; rm -rf /run/muster /etc/rancher"
    ));
    put_token(case.site, board);
    board.shell("chmod 600 /etc/muster/token; cp /run/ca /etc/muster/mirror-ca.pem");
    // Another setting of the same name would come before or after it.
    board.shell(&fault(bad));
    let boot = board.boot(&["--supervised"]);
    case.wait_for_lines(&boot);
    // The check finds it too.
    let check = case.check();
    case.assert_lines(&check);
    if let Line(_) | Script(_) = bad {
        // The boot stops, so something is missing.
        assert!(!missing(&check).is_empty(), "{check}");
        repair(case, bad);
        case.joined(&boot);
        let after = case.check();
        assert!(missing(&after).is_empty(), "{after}");
        end(board, boot);
        return missing(&check);
    }
    // The boot goes on with the warning, as far as the rest lets it.
    end(board, boot);
    repair(case, bad);
    let boot = board.boot(&["--supervised"]);
    case.joined(&boot);
    case.assert_no_line(&boot.text());
    end(board, boot);
    BTreeSet::new()
}

/// Ends muster, or the k3s that it became.
fn end(board: &NamespaceBoard, mut boot: Output) {
    if board.muster_pid().is_some() {
        board.signal_muster("KILL");
    }
    wait_for("the end of k3s", PATIENCE, || {
        boot.has_ended().then_some(())
    });
    boot.end();
}

#[test]
fn each_setting_is_corrected_as_the_page_says() {
    let entries = entries();
    let site = Site::new(Options::default());
    let rows: Vec<_> = SETTINGS.iter().rev().collect();
    let (left, failed) = (Mutex::new(rows), Mutex::new(Vec::new()));
    let crosses = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for number in 0..BOARDS {
            let (site, entries, left) = (&site, &entries, &left);
            let (failed, crosses) = (&failed, &crosses);
            scope.spawn(move || {
                let mac = Site::mac(1 + u8::try_from(number).expect("a few boards"));
                let mut board = NamespaceBoard::new(site, &mac);
                board.power_on_without_muster();
                board.shell(
                    "cp /etc/conf.d/muster /run/right; cp /etc/muster/mirror-ca.pem /run/ca",
                );
                let mut case = Case {
                    site,
                    board,
                    entry: &entries[0],
                    messages: &[],
                };
                while let Some((messages, bad)) = { left.lock().unwrap().pop() } {
                    (case.entry, case.messages) = (entry_of(entries, messages[0]), messages);
                    let started = Instant::now();
                    let tried = std::panic::AssertUnwindSafe(|| try_setting(&case, bad));
                    let tried = std::panic::catch_unwind(tried);
                    print_time(started.elapsed(), messages[0]);
                    match tried {
                        Ok(missing) => crosses.lock().unwrap().extend(missing),
                        Err(_) => failed.lock().unwrap().push(messages[0]),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    let seen = crosses.into_inner().unwrap();
    assert!(
        CROSSES.iter().all(|check| seen.contains(*check)),
        "{seen:?}"
    );
}
