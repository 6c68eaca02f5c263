//! The command line as its users meet it: the built program, below a root folder of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "a test looks from outside; the seam is for the agent"
)]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const SECRET: &str = "sekret-password";

/// A root folder with one board's files in it.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Root {
        let root = Root(tempfile::tempdir().unwrap());
        root.write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
        root.write("sys/class/net/lo/address", "00:00:00:00:00:00\n");
        root.write("etc/conf.d/muster", "K3S_URL=\"https://10.0.0.2:6443\"\n");
        root.write("etc/muster/token", &format!("K10{HASH}::server:{SECRET}\n"));
        fs::set_permissions(root.path("etc/muster/token"), Permissions::from_mode(0o600)).unwrap();
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The plan of this board's boot, for an architecture by the names of its assets.
    fn plan(&self, asset: &str, sums: &str) -> String {
        let plan =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/plan.txt")).unwrap();
        plan.replace("{root}", &self.0.path().display().to_string())
            .replace("{asset}", asset)
            .replace("{sums}", sums)
    }

    fn muster(&self, arguments: &[&str]) -> Output {
        self.command(Path::new(env!("CARGO_BIN_EXE_muster")), arguments)
            .output()
            .unwrap()
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command.arg("--root").arg(self.0.path()).args(arguments);
        command
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every file below a folder with its bytes and permissions, to see that nothing changed.
fn snapshot(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        if path.is_dir() {
            all.push((path.clone(), mode, Vec::new()));
            all.extend(snapshot(&path));
        } else {
            all.push((path.clone(), mode, fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_plan_shows_the_boot_and_changes_nothing() {
    let root = Root::new();
    let before = snapshot(root.0.path());
    let output = root.muster(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), root.plan("k3s", "sha256sum-amd64.txt"));
    assert_eq!(snapshot(root.0.path()), before);
    assert!(!stdout(&output).contains(SECRET) && !stderr(&output).contains(SECRET));
}

/// The binary for boards, which `make aarch64` builds.
fn aarch64() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(workspace.join("target"), PathBuf::from);
    let path = target.join("aarch64-unknown-linux-musl/release/muster");
    assert!(
        path.exists(),
        "{}: run `make aarch64` first",
        path.display()
    );
    path
}

#[test]
fn the_boards_binary_plans_the_same_boot() {
    let root = Root::new();
    let mut emulated = Command::new("qemu-aarch64-static");
    let output = emulated
        .env_clear()
        .arg(aarch64())
        .arg("--root")
        .arg(root.0.path())
        .arg("--dry-run")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        root.plan("k3s-arm64", "sha256sum-arm64.txt")
    );
}

#[test]
fn the_boards_binary_is_one_small_static_file() {
    let path = aarch64();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size <= 2 << 20, "{size} bytes");
    let readelf = |flag: &str| {
        let output = Command::new("readelf")
            .args([flag, "--wide"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(readelf("--file-header").contains("AArch64"));
    let segments = readelf("--program-headers");
    assert!(
        !segments.contains("INTERP") && !readelf("--dynamic").contains("NEEDED"),
        "it is not static:\n{segments}"
    );
    assert!(
        !readelf("--section-headers").contains(".symtab"),
        "it is not stripped"
    );
}

#[test]
fn a_plan_does_without_a_token_that_its_user_may_not_read() {
    // The test runs as root, who may read everything; nobody may not, and must reach a copy of the program.
    let root = Root::new();
    let program = root.path("muster");
    fs::copy(env!("CARGO_BIN_EXE_muster"), &program).unwrap();
    for (path, mode) in [("", 0o755), ("muster", 0o755)] {
        fs::set_permissions(root.path(path), Permissions::from_mode(mode)).unwrap();
    }
    let as_root = root.muster(&["--dry-run"]);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("--root")
        .arg(root.0.path())
        .arg("--dry-run");
    let as_nobody = command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    assert!(as_nobody.status.success(), "{}", stderr(&as_nobody));
    assert_eq!(stdout(&as_nobody), stdout(&as_root));
    assert!(
        stderr(&as_nobody)
            .contains("K3S_TOKEN_FILE=\"/etc/muster/token\" (default): this user may not read it")
    );
}

#[test]
fn bad_settings_name_setting_value_and_source_in_one_line() {
    let set = |word: &'static str| ["--dry-run", "--set", word];
    let cases: &[(&str, [&str; 3], &[&str])] = &[
        (
            "http",
            set("K3S_URL=http://a"),
            &["K3S_URL=\"http://a\" (--set)", "https://"],
        ),
        (
            "no url",
            set("K3S_URL=nonsense"),
            &["K3S_URL=\"nonsense\" (--set)", "URL"],
        ),
        (
            "path",
            set("K3S_URL=https://a:6443/x"),
            &["K3S_URL=", "(--set)", "path"],
        ),
        (
            "unknown",
            set("MUSTER_NAME=x"),
            &["MUSTER_NAME", "(--set)", "no such setting"],
        ),
        (
            "token in argv",
            set("K3S_TOKEN=abc"),
            &["K3S_TOKEN=<redacted> (--set)", "/etc/muster/token"],
        ),
        (
            "prefix",
            set("MUSTER_HOSTNAME_PREFIX=Worker_"),
            &["MUSTER_HOSTNAME_PREFIX=\"Worker_\" (--set)", "DNS label"],
        ),
        (
            "length 0",
            set("MUSTER_HOSTNAME_LENGTH=0"),
            &["MUSTER_HOSTNAME_LENGTH=\"0\" (--set)", "1 to 40"],
        ),
        (
            "length 41",
            set("MUSTER_HOSTNAME_LENGTH=41"),
            &["MUSTER_HOSTNAME_LENGTH=\"41\" (--set)"],
        ),
        (
            "length x",
            set("MUSTER_HOSTNAME_LENGTH=x"),
            &["MUSTER_HOSTNAME_LENGTH=\"x\" (--set)"],
        ),
        (
            "dhcp",
            set("MUSTER_DHCP=maybe"),
            &["MUSTER_DHCP=\"maybe\" (--set)", "yes or no"],
        ),
        (
            "mirror",
            set("MUSTER_MIRRORS=githib"),
            &["MUSTER_MIRRORS=\"githib\" (--set)", "githib is neither"],
        ),
        (
            "plain mirror",
            set("MUSTER_MIRRORS=http://m/k3s"),
            &["MUSTER_MIRRORS=", "MUSTER_K3S_SHA256"],
        ),
        (
            "digest",
            set("MUSTER_K3S_SHA256=abc"),
            &["MUSTER_K3S_SHA256=\"abc\" (--set)", "64 hex"],
        ),
        (
            "version",
            set("INSTALL_K3S_VERSION=latest"),
            &["INSTALL_K3S_VERSION=\"latest\" (--set)", "v1.34.1+k3s1"],
        ),
        (
            "exec",
            set("INSTALL_K3S_EXEC=agent --token=abc"),
            &["INSTALL_K3S_EXEC=<redacted> (--set)", "argument"],
        ),
        (
            "interface",
            set("MUSTER_INTERFACE=eth9"),
            &["MUSTER_INTERFACE=\"eth9\" (--set)", "there is eth0"],
        ),
        (
            "interface name",
            set("MUSTER_INTERFACE=../x"),
            &["MUSTER_INTERFACE=\"../x\" (--set)"],
        ),
        (
            "token file",
            set("K3S_TOKEN_FILE=/none"),
            &["K3S_TOKEN_FILE=\"/none\" (--set)", "no such file"],
        ),
        (
            "node secret",
            set("MUSTER_NODE_SECRET_FILE=/none"),
            &["MUSTER_NODE_SECRET_FILE=\"/none\" (--set)", "no such file"],
        ),
        (
            "log",
            set("MUSTER_LOG=a=b=c"),
            &["MUSTER_LOG=\"a=b=c\" (--set)"],
        ),
        (
            "step",
            ["--dry-run", "identity", "reboot"],
            &["STEP=\"reboot\" (command line)", "identity, network"],
        ),
        ("flag", ["--dry-run", "--frob", ""], &["--frob"]),
    ];
    for (name, arguments, words) in cases {
        let root = Root::new();
        assert_one_line(name, &root.muster(arguments), words);
    }
}

fn assert_one_line(name: &str, output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{name}: {text}");
    assert_eq!(text.lines().count(), 1, "{name}: {text}");
    assert_eq!(stdout(output), "", "{name}");
    for word in words {
        assert!(text.contains(word), "{name}: {word:?} is not in {text}");
    }
}

#[test]
fn bad_files_name_setting_value_and_source_in_one_line() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "empty token",
            "etc/muster/token",
            "\n",
            &["K3S_TOKEN_FILE=\"/etc/muster/token\" (default)", "empty"],
        ),
        (
            "cut token",
            "etc/muster/token",
            "K10abc\n",
            &[
                "K3S_TOKEN_FILE=\"/etc/muster/token\" (default)",
                "K10<hash>",
            ],
        ),
        (
            "two lines",
            "etc/muster/token",
            "one\ntwo\n",
            &["K3S_TOKEN_FILE=", "not a k3s token"],
        ),
        ("no url", "etc/conf.d/muster", "", &["K3S_URL", "not given"]),
        (
            "http in conf.d",
            "etc/conf.d/muster",
            "\nK3S_URL=http://a\n",
            &["K3S_URL=\"http://a\" (/etc/conf.d/muster line 2)"],
        ),
        (
            "unknown in conf.d",
            "etc/conf.d/muster",
            "MUSTER_X=1\n",
            &["MUSTER_X=\"1\" (/etc/conf.d/muster line 1)"],
        ),
        (
            "shell in conf.d",
            "etc/conf.d/muster",
            "K3S_URL=$(id)\n",
            &["K3S_URL (/etc/conf.d/muster line 1)", "expansions"],
        ),
        (
            "kernel token",
            "proc/cmdline",
            "quiet K3S_TOKEN=x\n",
            &["K3S_TOKEN=<redacted> (kernel command line)", "every pod"],
        ),
        (
            "unknown in kernel",
            "proc/cmdline",
            "MUSTER_X=1\n",
            &["MUSTER_X=\"1\" (kernel command line)"],
        ),
        (
            "garbage mac",
            "sys/class/net/eth0/address",
            "garbage\n",
            &["MUSTER_INTERFACE=\"eth0\" (default)", "garbage"],
        ),
        (
            "zero mac",
            "sys/class/net/eth0/address",
            "00:00:00:00:00:00\n",
            &["MUSTER_INTERFACE=\"eth0\" (default)", "all-zero"],
        ),
        (
            "multicast mac",
            "sys/class/net/eth0/address",
            "01:00:5e:00:00:01\n",
            &["MUSTER_INTERFACE=", "multicast"],
        ),
    ];
    for (name, file, text, words) in cases {
        let root = Root::new();
        root.write(file, text);
        assert_one_line(name, &root.muster(&["--dry-run"]), words);
    }
}

#[test]
fn each_place_beats_the_weaker_ones() {
    let root = Root::new();
    let name = |root: &Root, environment: &[(&str, &str)], flags: &[&str]| {
        let mut command = root.command(Path::new(env!("CARGO_BIN_EXE_muster")), flags);
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
    // The empty prefix is a prefix.
    assert_eq!(
        name(&root, &environment, &["--set", "MUSTER_HOSTNAME_PREFIX="]),
        "64e5"
    );
}

#[test]
fn auto_takes_the_interface_that_netbooted_else_the_only_physical_one() {
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
        "two",
        &root.muster(&arguments),
        &["MUSTER_INTERFACE=\"auto\" (--set)", "eth0, eth1"],
    );
}

#[test]
fn names_equal_the_shell_pipelines() {
    // A thousand boards; the bytes are any that an address may have, the first one even (unicast).
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let macs: Vec<String> = (0..1000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let b = state.to_be_bytes();
            format!(
                "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                b[0] & 0xfe,
                b[1],
                b[2],
                b[3],
                b[4],
                b[5] | 1
            )
        })
        .collect();
    let script = r#"while read -r mac; do
        echo "$mac" > address
        sha1sum address | head -c 6 | awk -v mac="$mac" '{print mac " worker-" $0}'
    done"#;
    let folder = tempfile::tempdir().unwrap();
    let expected = piped(
        Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path()),
        &macs.join("\n"),
    );
    let root = Root::new();
    let output = piped(
        &mut root.command(Path::new(env!("CARGO_BIN_EXE_muster")), &["name", "-"]),
        &macs.join("\n"),
    );
    assert_eq!(stdout(&expected).lines().count(), 1000);
    assert_eq!(stdout(&output), stdout(&expected));
}

fn piped(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{input}\n").as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn names_of_arguments_and_files_and_collisions() {
    let root = Root::new();
    let output = root.muster(&["name", "b8:27:eb:00:00:01", "DC-A6-32-01-02-03"]);
    assert_eq!(
        stdout(&output),
        "b8:27:eb:00:00:01 worker-b5b697\ndc:a6:32:01:02:03 worker-43dfae\n"
    );
    root.write(
        "rack",
        "# rack 1\nb8:27:eb:00:00:01\n\n52:54:00:12:34:56 # spare\n",
    );
    let file = root.path("rack");
    let output = root.muster(&["name", file.to_str().unwrap()]);
    assert_eq!(
        stdout(&output),
        "b8:27:eb:00:00:01 worker-b5b697\n52:54:00:12:34:56 worker-64e59a\n"
    );
    // The same board twice is no collision; two boards with one digit of a hash are.
    assert!(
        root.muster(&["name", "b8:27:eb:00:00:01", "b8:27:eb:00:00:01"])
            .status
            .success()
    );
    let many: Vec<String> = (1..=17)
        .map(|n| format!("b8:27:eb:00:00:{n:02x}"))
        .collect();
    let mut arguments = vec!["--set", "MUSTER_HOSTNAME_LENGTH=1", "name"];
    arguments.extend(many.iter().map(String::as_str));
    let output = root.muster(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("MUSTER_HOSTNAME_LENGTH"),
        "{}",
        stderr(&output)
    );
    assert_one_line(
        "garbage",
        &root.muster(&["name", "b8:27"]),
        &["MAC=\"b8:27\" (command line)"],
    );
}

#[test]
fn status_without_a_boot_says_so() {
    let root = Root::new();
    let output = root.muster(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("muster has not run on this boot"));
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
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
        let everywhere = ["HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"].contains(&setting.name);
        assert!(
            everywhere || conf.contains(setting.name),
            "openrc/muster.confd lacks {}",
            setting.name
        );
    }
}
