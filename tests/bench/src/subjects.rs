//! The commands that are measured.

use crate::measure::Subject;
use crate::run;
use crate::site::{SIZES, SMALL, Site, tag};
use std::fs;
use std::path::Path;

/// The size of a k3s of today (MB).
const K3S: u64 = 80;

fn subject(name: &str, before: &str, command: String) -> Subject {
    Subject {
        name: name.into(),
        before: before.into(),
        command,
        times: 1,
    }
}

/// A fetch of the release of this size (MB) into an empty root folder.
pub fn fetch(site: &Site, muster: &Path, mirror: &str, size: u64) -> Subject {
    let command = format!("exec {}", fetch_into("root", site, muster, mirror, size));
    subject("muster fetch", &site.new_root(), command)
}

/// The command that fetches into the root folder with this name.
fn fetch_into(root: &str, site: &Site, muster: &Path, mirror: &str, size: u64) -> String {
    format!(
        "env -i {} --root {} --set MUSTER_MIRRORS={mirror} --set INSTALL_K3S_VERSION={} \
         --set SSL_CERT_FILE=/ca.pem fetch",
        muster.display(),
        site.path(root).display(),
        tag(size)
    )
}

/// Downloads from this mirror; with `pipeline`, also with the tools that muster replaces.
pub fn downloads(site: &Site, muster: &Path, mirror: &str, with_pipeline: bool) -> Vec<Subject> {
    let curl = format!("curl -s --cacert {}", site.path("ca.pem").display());
    let url = format!("{mirror}/{}", tag(K3S));
    let root = site.path("root");
    let before = site.new_root();
    let pipeline = format!(
        "cd {} && {curl} -O {url}/k3s && {curl} -O {url}/sha256sum-amd64.txt && \
         sha256sum -c --quiet sha256sum-amd64.txt && chmod 755 k3s && mv k3s etc/k3s",
        root.display()
    );
    let mut subjects = vec![
        subject(
            "curl -o /dev/null",
            &before,
            format!("exec {curl} -o /dev/null {url}/k3s"),
        ),
        fetch(site, muster, mirror, K3S),
    ];
    if with_pipeline {
        subjects.push(subject("curl, sha256sum -c, mv", &before, pipeline));
        subjects.extend(installer(site, mirror));
    }
    subjects
}

/// k3s's own installer, where `INSTALL` names it. It installs below the root folder, and its
/// `systemctl` does nothing.
fn installer(site: &Site, mirror: &str) -> Option<Subject> {
    let script = std::env::var("INSTALL").ok()?;
    let script = std::path::absolute(script).unwrap();
    let root = site.path("root");
    let root = root.display();
    let before = format!(
        "{} && mkdir -p {root}/bin {root}/stub {root}/tmp && ln -s /bin/true {root}/stub/systemctl",
        site.new_root()
    );
    let command = format!(
        "exec env -i PATH={root}/stub:$PATH TMPDIR={root}/tmp CURL_CA_BUNDLE={root}/ca.pem \
         INSTALL_K3S_ARTIFACT_URL={mirror} INSTALL_K3S_VERSION={} INSTALL_K3S_BIN_DIR={root}/bin \
         INSTALL_K3S_SYSTEMD_DIR={root}/etc INSTALL_K3S_SKIP_ENABLE=true INSTALL_K3S_SYMLINK=skip \
         INSTALL_K3S_SKIP_SELINUX_RPM=true K3S_URL=https://10.0.0.2:6443 K3S_TOKEN=x sh {}",
        tag(K3S),
        script.display()
    );
    Some(subject("k3s's installer", &before, command))
}

/// Boards that fetch at the same time.
pub fn boards(site: &Site, muster: &Path) -> Vec<Subject> {
    let one = |number: u32| {
        let root = format!("root{number}");
        let fetch = fetch_into(&root, site, muster, &site.loopback(), SIZES[1]);
        (site.new_root_at(&root), format!("{fetch} & "))
    };
    let at_once = |n: u32| {
        let (before, commands): (Vec<_>, Vec<_>) = (0..n).map(one).unzip();
        let name = format!("{n} fetch {} MB each", SIZES[1]);
        let commands = format!("{}wait", commands.concat());
        subject(&name, &before.join(" && "), commands)
    };
    [1, 10, 50].map(at_once).into()
}

/// The right k3s is installed already, so only its digest is computed. With a small k3s there is
/// only what does not belong to the digest.
pub fn restarts(site: &Site, muster: &Path) -> Vec<Subject> {
    let again = |size, root: &str| {
        let command = fetch_into(root, site, muster, &site.loopback(), size);
        run(&site.new_root_at(root));
        run(&format!("{command} 2>/dev/null"));
        format!("exec {command}")
    };
    let large = again(K3S, "installed");
    let small = again(SMALL, "installed-small");
    let installed = site.path("installed/usr/local/bin/k3s");
    let digest = format!("exec sha256sum {}", installed.display());
    vec![
        subject("sha256sum of the installed k3s", ":", digest),
        subject("muster fetch again", ":", large),
        subject("the same with a k3s of 1 kB", ":", small),
    ]
}

/// The name of a board.
pub fn identities(site: &Site, muster: &Path) -> Vec<Subject> {
    const TIMES: u32 = 20;
    let root = site.path("root");
    let (root, muster) = (root.display(), muster.display());
    let before = site.new_root();
    let pipeline = format!(
        "sha1sum {root}/sys/class/net/eth0/address | head -c 6 | awk '{{print \"worker-\" $0}}'"
    );
    // A boot script has its shell already, so one shell runs the command again and again. muster
    // sets the hostname, so both have one of their own.
    let own = |name: &str, command: &str| {
        let again = format!("for i in $(seq {TIMES}); do {command}; done");
        let again = format!("exec unshare -u sh -c '{}'", again.replace('\'', "'\\''"));
        Subject {
            times: TIMES,
            ..subject(name, &before, again)
        }
    };
    let muster = format!("{muster} --root {root} identity");
    vec![
        own("sha1sum, head, awk", &pipeline),
        own("muster identity", &muster),
    ]
}

/// The start of a program.
pub fn versions(muster: &Path) -> Vec<Subject> {
    let version = format!("exec {} --version", muster.display());
    vec![
        subject("true", ":", "exec env true".into()),
        subject("muster --version", ":", version),
    ]
}

/// The names of long lists of boards.
pub fn name_lists(site: &Site, muster: &Path) -> Vec<Subject> {
    let lists = [1_000, 10_000, 100_000, 1_000_000_u32].map(|n| {
        let path = site.path(&format!("macs-{n}"));
        let mac = |i: u32| {
            let [_, a, b, c] = i.to_be_bytes();
            format!("52:54:00:{a:02x}:{b:02x}:{c:02x}\n")
        };
        fs::write(&path, (0..n).map(mac).collect::<String>()).unwrap();
        // With 12 digits no two names are the same.
        let command = format!(
            "exec {} --set MUSTER_HOSTNAME_LENGTH=12 name - <{}",
            muster.display(),
            path.display()
        );
        subject(&format!("{n} addresses"), ":", command)
    });
    lists.into()
}
