//! The built program, where a row needs a process or a mount namespace of its own.

use crate::pki::Pki;
use crate::row::{How, Row};
use crate::run::{BIN, Outcome, TAG, list, mac};
use crate::script::RIGHT;
use crate::server::Server;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// The name by which rows about names reach their mirror.
const NAME: &str = "mirror.example";
/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prepares the namespace, runs muster, and keeps what it left: a mount is gone with its namespace.
const IN_NAMESPACE: &str = r#"
WITH=
eval "$PREPARE"
status=0
$WITH "$MUSTER" "$@" || status=$?
cp -a "$BIN/." "$OUT/"
exit "$status"
"#;
/// Host names come from this row's own hosts file and from nowhere else. musl has no nsswitch.conf:
/// it asks a name server that nobody runs, once.
const OWN_NAMES: &str = r#"
mount --bind "$ROOT/hosts" /etc/hosts
mount --bind "$ROOT/nsswitch.conf" /etc/nsswitch.conf
mount --bind "$ROOT/resolv.conf" /etc/resolv.conf
"#;

/// A row's board, as the program sees it.
struct Board<'a> {
    root: &'a Path,
    muster: &'a Path,
    arguments: Vec<String>,
}

pub fn run(row: &Row, root: &Path, servers: &[Server], pki: &Pki, muster: &Path) -> Outcome {
    let named = matches!(row.how, How::NameComesLate | How::NameMoves(_));
    let url = |server: &Server| {
        if named {
            format!("https://{NAME}:{}", server.port)
        } else {
            server.url()
        }
    };
    // The second server of a name that moves is the same mirror at its new address.
    let told = if named { &servers[..1] } else { servers };
    let mirrors = told.iter().map(url).collect::<Vec<_>>().join(" ");
    let board = Board::new(root, muster, &mirrors, pki);
    match &row.how {
        How::Inside => unreachable!("such a row does not come here"),
        How::Program(prepare) => board.outcome(board.start(prepare), prepare),
        How::Killed(points) => {
            for point in points {
                let child = board.start(":");
                board.wait_for_part(*point);
                kill(child);
                board.check_killed();
            }
            board.outcome(board.start(":"), ":")
        }
        How::NameComesLate => {
            let child = board.start(OWN_NAMES);
            wait_until("muster warns", || board.log().contains("WARN"));
            fs::write(board.hosts(), format!("127.0.0.1 {NAME}\n")).unwrap();
            board.outcome(child, OWN_NAMES)
        }
        How::NameMoves(after) => {
            fs::write(board.hosts(), format!("127.0.0.1 {NAME}\n")).unwrap();
            let child = board.start(OWN_NAMES);
            board.wait_for_part(*after);
            fs::write(board.hosts(), format!("127.0.0.2 {NAME}\n")).unwrap();
            servers[0].vanish();
            board.outcome(child, OWN_NAMES)
        }
    }
}

impl Board<'_> {
    fn new<'a>(root: &'a Path, muster: &'a Path, mirrors: &str, pki: &Pki) -> Board<'a> {
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
            "SSL_CERT_FILE=/ca.pem",
        ] {
            arguments.extend(["--set".into(), setting.into()]);
        }
        arguments.push("fetch".into());
        Board {
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

    /// Starts muster; `:` prepares nothing, and then the child is muster itself, so that a kill hits it.
    fn start(&self, prepare: &str) -> Child {
        let mut command = match prepare {
            ":" => Command::new(self.muster),
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
            .env("OUT", self.root.join("out"));
        command.env("ROOT", self.root);
        command.stderr(log).spawn().unwrap()
    }

    fn outcome(&self, mut child: Child, prepare: &str) -> Outcome {
        let status = child.wait().unwrap();
        let log = self.log();
        let last = log.lines().last().unwrap_or_default().to_string();
        let result = if status.success() { Ok(()) } else { Err(last) };
        let folder = if prepare == ":" {
            self.bin()
        } else {
            self.root.join("out")
        };
        Outcome {
            result,
            log,
            there: list(&folder),
        }
    }

    fn wait_for_part(&self, bytes: u64) {
        let part = self.bin().join(".k3s.part");
        wait_until("the part grows", || {
            fs::metadata(&part).is_ok_and(|meta| meta.len() >= bytes)
        });
    }

    /// What a kill leaves: a part that is not executable, with the note of what it is a part of, and nothing else.
    fn check_killed(&self) {
        let part = self.bin().join(".k3s.part");
        assert_eq!(
            fs::metadata(&part).unwrap().permissions().mode() & 0o7777,
            0o600,
            "a part that a kill left"
        );
        let note = fs::read_to_string(self.bin().join(".k3s.part.json")).unwrap();
        assert!(
            note.contains(&muster::digest::Sha256::of(&RIGHT).to_string()),
            "{note}"
        );
        let names: Vec<String> = list(&self.bin())
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, [".k3s.part", ".k3s.part.json"]);
    }
}

/// SIGKILL: nothing is told, nothing is tidied.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
