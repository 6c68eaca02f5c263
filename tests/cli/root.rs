//! A board's root folder, and the built program run below it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
pub const SECRET: &str = "sekret-password";

/// A temporary root folder with the files of one board. The program reads and writes below it.
pub struct Root(tempfile::TempDir);

impl Root {
    pub fn new() -> Root {
        let root = Root(tempfile::tempdir().unwrap());
        root.write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
        root.write("sys/class/net/lo/address", "00:00:00:00:00:00\n");
        root.write("etc/conf.d/muster", "K3S_URL=\"https://10.0.0.2:6443\"\n");
        root.write("etc/muster/token", &format!("K10{HASH}::server:{SECRET}\n"));
        fs::set_permissions(root.path("etc/muster/token"), Permissions::from_mode(0o600)).unwrap();
        root
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn muster(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command.arg("--root").arg(self.0.path()).args(arguments);
        command
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Path, permissions and bytes of everything below a folder. Two equal snapshots show that nothing
/// changed.
pub fn snapshot(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
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

/// Asserts a usage error: status 2, nothing on stdout, and one line on stderr with all these words.
pub fn assert_one_line(name: &str, output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{name}: {text}");
    assert_eq!(text.lines().count(), 1, "{name}: {text}");
    assert_eq!(stdout(output), "", "{name}");
    for word in words {
        assert!(text.contains(word), "{name}: {word:?} is not in {text}");
    }
}
