//! A folder with the input of `genapkovl-muster.sh`, the tools run in it, and the archive that one of them makes. The labs include
//! this file too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The secret part of the token in [`Folder::new`], which no message may show.
pub const SECRET: &str = "the-password";
/// A path that is too long for the name field of a tar header.
pub const LONG_PATH: &str = concat!(
    "etc/periodic/dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/",
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee/job"
);
/// Arguments of `genapkovl-muster.sh` that use all of the folder's files.
pub const OVERLAY: &[&str] = &[
    "--server",
    "https://k3s.lan:6443",
    "--token-file",
    "token",
    "--binary",
    "muster",
    "--set",
    "MUSTER_NTP=10.0.0.1 10.0.0.2",
    "--set",
    "HTTPS_PROXY=http://proxy:3128",
    "--node",
    "worker-64e59a=node.yaml",
    "--ssh-key",
    "key.pub",
    "--add",
    "tree",
    "--apk",
    "htop",
];

/// The project's folder, from whichever of its packages this file is compiled into.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("overlay/genapkovl-muster.sh").is_file())
        .unwrap()
}

/// A temporary folder, in which a tool runs.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("muster", "#!/bin/sh\n", 0o755);
        let token = format!("K10{}::server:{SECRET}\n", "ab".repeat(32));
        folder.write("token", &token, 0o600);
        folder.write("node.yaml", "node-label: [room=1]\n", 0o640);
        folder.write("key.pub", "ssh-ed25519 AAAA someone\n", 0o644);
        folder.write(&format!("tree/{LONG_PATH}"), "#!/bin/sh\n", 0o750);
        symlink("periodic", folder.path("tree/etc/link")).unwrap();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// A tool of `overlay/`, to be run by this shell (a program and its arguments) in the folder.
    pub fn tool(&self, shell: &[&str], name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(project().join("overlay").join(name))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// A tar.gz archive in the folder, decompressed.
    pub fn tar(&self, archive: &str) -> Vec<u8> {
        let mut gzip = Command::new("gzip");
        succeed(gzip.arg("-dc").arg(self.path(archive))).stdout
    }

    /// The entries of a tar.gz archive in the folder.
    pub fn entries(&self, archive: &str) -> Vec<Entry> {
        entries(&self.tar(archive))
    }
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    output
}

/// One entry of a tar archive, with what its header says.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub mode: u64,
    /// Numbers and names of user and group.
    pub owner: (u64, u64, String, String),
    pub mtime: u64,
    /// Where a symbolic link points to.
    pub link: Option<String>,
    pub content: Vec<u8>,
}

/// The entries of a POSIX (ustar) archive. Names end without a slash.
fn entries(tar: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = tar;
    while rest[0] != 0 {
        let (header, after) = rest.split_at(512);
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            let end = field.iter().position(|&byte| byte == 0);
            String::from_utf8(field[..end.unwrap_or(field.len())].to_vec()).unwrap()
        };
        let number = |from, to| u64::from_str_radix(text(from, to).trim(), 8).unwrap();
        let path = format!("{}/{}", text(345, 500), text(0, 100));
        let size = number(124, 136) as usize;
        entries.push(Entry {
            name: path.trim_matches('/').to_owned(),
            mode: number(100, 108),
            owner: (
                number(108, 116),
                number(116, 124),
                text(265, 297),
                text(297, 329),
            ),
            mtime: number(136, 148),
            link: (header[156] == b'2').then(|| text(157, 257)),
            content: after[..size].to_vec(),
        });
        rest = &after[size.next_multiple_of(512)..];
    }
    entries
}
