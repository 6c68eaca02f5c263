//! Runs the built program, for rows that need a process or a mount namespace.

use crate::mirror::Mirror;
use crate::pki::Pki;
use crate::row::{Row, Runner};
use crate::run::{BIN, Outcome, TAG, list, mac};
use crate::script::RIGHT;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// The mirror's host name, for rows about name lookup.
const NAME: &str = "mirror.example";
/// The longest wait for an event.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Prepares the namespace, runs muster and copies the target folder: a mount ends with its
/// namespace.
const IN_NAMESPACE: &str = r#"
WITH=
eval "$PREPARE"
status=0
$WITH "$MUSTER" "$@" || status=$?
cp -a "$BIN/." "$OUT/"
exit "$status"
"#;
/// Host names come from this row's own hosts file and from nowhere else. glibc is told so by
/// nsswitch.conf. musl has no such file, so it asks a name server once that does not exist.
const OWN_HOSTS: &str = r#"
mount --bind "$ROOT/hosts" /etc/hosts
mount --bind "$ROOT/nsswitch.conf" /etc/nsswitch.conf
mount --bind "$ROOT/resolv.conf" /etc/resolv.conf
"#;
/// No namespace: the child process is muster itself, so that a kill reaches it.
const NO_NAMESPACE: &str = ":";

/// The program, with the folder and the arguments of one row.
struct Program<'a> {
    root: &'a Path,
    muster: &'a Path,
    arguments: Vec<String>,
}

/// Runs the row's program to its end, with the row's kills and name changes.
pub fn run(row: &Row, root: &Path, mirrors: &[Mirror], pki: &Pki, muster: &Path) -> Outcome {
    let by_name = matches!(
        row.runner,
        Runner::NameResolvesLate | Runner::AddressChanges(_)
    );
    let url = |mirror: &Mirror| {
        if by_name {
            format!("https://{NAME}:{}", mirror.port)
        } else {
            mirror.url()
        }
    };
    // With one name, the second mirror is the new address of the first.
    let configured = if by_name { &mirrors[..1] } else { mirrors };
    let urls = configured.iter().map(url).collect::<Vec<_>>().join(" ");
    let program = Program::new(root, muster, &urls, pki);
    match &row.runner {
        Runner::InProcess => unreachable!("run::run handles such a row"),
        Runner::InNamespace(prepare) => program.outcome(program.start(prepare), prepare),
        Runner::Killed(points) => {
            for point in points {
                let child = program.start(NO_NAMESPACE);
                program.wait_for_partial_file(*point);
                kill(child);
                program.check_killed();
            }
            program.outcome(program.start(NO_NAMESPACE), NO_NAMESPACE)
        }
        Runner::NameResolvesLate => {
            let child = program.start(OWN_HOSTS);
            wait_until("muster warns", || program.log().contains("WARN"));
            fs::write(program.hosts(), format!("127.0.0.1 {NAME}\n")).unwrap();
            program.outcome(child, OWN_HOSTS)
        }
        Runner::AddressChanges(after) => {
            fs::write(program.hosts(), format!("127.0.0.1 {NAME}\n")).unwrap();
            let child = program.start(OWN_HOSTS);
            program.wait_for_partial_file(*after);
            fs::write(program.hosts(), format!("127.0.0.2 {NAME}\n")).unwrap();
            mirrors[0].stop();
            program.outcome(child, OWN_HOSTS)
        }
    }
}

impl Program<'_> {
    fn new<'a>(root: &'a Path, muster: &'a Path, mirrors: &str, pki: &Pki) -> Program<'a> {
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sys/class/net/eth0/address", &format!("{}\n", mac()));
        write("ca.pem", &pki.ca);
        write("hosts", "");
        write("nsswitch.conf", "hosts: files\n");
        write(
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        );
        write("log", "");
        fs::create_dir(root.join("out")).unwrap();
        let mut arguments = vec!["--root".to_string(), root.to_str().unwrap().into()];
        let mirrors = format!("MUSTER_MIRRORS={mirrors}");
        for setting in [
            mirrors.as_str(),
            &format!("INSTALL_K3S_VERSION={TAG}"),
            "INSTALL_K3S_SYMLINK=skip",
            "SSL_CERT_FILE=/ca.pem",
        ] {
            arguments.extend(["--set".into(), setting.into()]);
        }
        arguments.push("fetch".into());
        Program {
            root,
            muster,
            arguments,
        }
    }

    fn bin(&self) -> PathBuf {
        self.root.join(BIN)
    }

    fn hosts(&self) -> PathBuf {
        self.root.join("hosts")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap()
    }

    /// Starts muster after these shell commands, or without a namespace for [`NO_NAMESPACE`].
    fn start(&self, prepare: &str) -> Child {
        let mut command = match prepare {
            NO_NAMESPACE => Command::new(self.muster),
            _ => {
                let mut command = Command::new("unshare");
                command.args(["-m", "sh", "-eu", "-c", IN_NAMESPACE, "sh"]);
                command
            }
        };
        let log = File::options()
            .append(true)
            .open(self.root.join("log"))
            .unwrap();
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("PREPARE", prepare)
            .env("MUSTER", self.muster)
            .env("BIN", self.bin())
            .env("OUT", self.root.join("out"))
            .env("ROOT", self.root);
        command.stderr(log).spawn().unwrap()
    }

    fn outcome(&self, mut child: Child, prepare: &str) -> Outcome {
        let status = child.wait().unwrap();
        let log = self.log();
        let last = log.lines().last().unwrap_or_default().to_string();
        let result = if status.success() { Ok(()) } else { Err(last) };
        let folder = if prepare == NO_NAMESPACE {
            self.bin()
        } else {
            self.root.join("out")
        };
        Outcome {
            result,
            log,
            files: list(&folder),
        }
    }

    fn wait_for_partial_file(&self, bytes: u64) {
        let path = self.bin().join(".k3s.part");
        wait_until("the partial file grows", || {
            fs::metadata(&path).is_ok_and(|meta| meta.len() >= bytes)
        });
    }

    /// After a kill, there must be a partial file that is not executable, its record with the right
    /// digest, and nothing else.
    fn check_killed(&self) {
        let path = self.bin().join(".k3s.part");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600,
            "permissions of the partial file after a kill"
        );
        let record = fs::read_to_string(self.bin().join(".k3s.part.json")).unwrap();
        assert!(
            record.contains(&muster::digest::Sha256::of(&RIGHT).to_string()),
            "{record}"
        );
        let names: Vec<String> = list(&self.bin())
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, [".k3s.part", ".k3s.part.json"]);
    }
}

/// Sends SIGKILL, which gives the program no chance to clean up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < TIMEOUT, "timed out: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
