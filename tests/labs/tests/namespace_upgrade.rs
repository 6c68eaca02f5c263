//! `rc-service muster upgrade`, without OpenRC: the service's own function, and a supervise-daemon that
//! passes the signal on. That needs root.

use muster_labs::{Board, NamespaceBoard, Options, Site, restart, run};
use std::fs;
use std::path::Path;

const NEXT: &str = "v1.35.0+k3s1";

/// Runs the service's function as OpenRC would.
const UPGRADE: &str = "ebegin() { echo \"$*\"; }; einfo() { echo \"$*\"; }; eend() { return $1; }
    . /etc/init.d/muster && upgrade 2>&1";

/// Puts the next release on the site's mirror: the same program with a few bytes more.
fn add_release(site: &Site) {
    let release = site.release(false);
    let next = release.with_file_name(NEXT);
    let (asset, sums) = site.assets();
    fs::create_dir(&next).unwrap();
    let mut bytes = fs::read(release.join(asset)).unwrap();
    bytes.extend(b"next");
    fs::write(next.join(asset), bytes).unwrap();
    let folder = Path::new(&next).display();
    let script = format!("cd '{folder}' && sha256sum {asset} >{sums}");
    run(&["sh", "-c", &script]);
}

#[test]
fn it_fetches_what_is_asked_for_and_restarts_only_another_k3s() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, "52:54:00:12:34:56");
    let signal = "#!/bin/sh\necho \"$*\" >>/run/signals\n";
    board.overlay.add("sbin/supervise-daemon", signal, 0o755);
    board.power_on_without_muster();
    let boot = board.boot_to_joined();
    let signals = || board.read("/run/signals").unwrap_or_default();

    let text = board.shell(&format!("RC_SVCNAME=muster; {UPGRADE}"));
    assert!(
        text.contains("k3s is the one that is asked for already"),
        "{text}"
    );
    assert_eq!(signals(), "");

    add_release(&site);
    board.shell(&format!(
        "echo 'INSTALL_K3S_VERSION=\"{NEXT}\"' >>/etc/conf.d/muster"
    ));
    let text = board.shell(&format!("RC_SVCNAME=muster; {UPGRADE}"));
    assert!(text.contains("Restarting k3s"), "{text}");
    assert_eq!(signals(), "muster --signal TERM\n");

    // The supervisor starts muster again when k3s has ended.
    board.signal_muster("TERM");
    drop(boot);
    let (network, log) = restart(&board, &site);
    assert_eq!(network, "", "{log}");
    assert!(
        log.contains(&format!("the installed k3s {NEXT} is verified")),
        "{log}"
    );
    let text = board.shell(&format!("RC_SVCNAME=muster; {UPGRADE}"));
    assert!(
        text.contains("k3s is the one that is asked for already"),
        "{text}"
    );
    assert!(board.read("/run/muster/boot.json").unwrap().contains(NEXT));
}
