//! The section join.

use super::Row::{Lab, Never, OnBoard, Own};
use super::{Rows, boot_with_failing, downloading, short_token, slow_mirror};
use crate::{Case, Fault, ON_BOARD};
use muster_labs::Board;
use std::fs;

pub const ROWS: Rows = &[
    (
        &["there is no …: to install k3s, run"],
        OnBoard(|case| {
            case.board.power_on_without_muster();
            case.board.shell("muster identity network");
            refused_by_hand(case, &["join"]);
            case.do_blocks();
            case.joined(&case.board.boot(&["join"]));
        }),
    ),
    (
        &["which was not verified in this boot"],
        OnBoard(|case| {
            case.board.power_on_without_muster();
            case.board
                .shell("muster identity network fetch; echo planted >/usr/local/bin/k3s");
            refused_by_hand(case, &["join"]);
            case.do_blocks();
            case.joined(&case.board.boot(&["join"]));
        }),
    ),
    (
        &["has changed since the server accepted this node"],
        Own(
            || slow_mirror("4m"),
            |case| {
                case.board.power_on_without_muster();
                let (boot, _) = downloading(case);
                // It is another text with the same secret, so the token is right.
                fs::write(case.board.path("/etc/muster/token"), short_token(case.site))
                    .expect("the token");
                case.wait_for_lines(&boot);
                case.joined(&boot);
            },
        ),
    ),
    (
        &["is already running on this node"],
        OnBoard(|case| {
            case.board.power_on_without_muster();
            let boot = case.board.boot(&["--supervised"]);
            case.joined(&boot);
            refused_by_hand(case, &[]);
        }),
    ),
    (
        &["cannot run …: …"],
        Lab(Fault {
            overlay: |_, board| board.overlay.set("INSTALL_K3S_SKIP_DOWNLOAD", "true"),
            script: "echo 'no program' >/usr/local/bin/k3s; chmod 755 /usr/local/bin/k3s",
            checked: false,
            ..ON_BOARD
        }),
    ),
    (
        &["cannot run … and read its output"],
        OnBoard(|case| {
            case.board.power_on_without_muster();
            case.joined(&case.board.boot(&["--supervised"]));
            case.board.signal_muster("KILL");
            // k3s has unpacked itself, and then its folder was mounted without the right to run programs.
            case.board.shell(
                "mkdir -p /var/lib/rancher/k3s/data/current/bin; cd /usr/local
                          mount --bind bin bin; mount -o remount,bind,noexec bin",
            );
            case.assert_lines(&case.check());
            case.board
                .shell("mount -o remount,bind,exec /usr/local/bin");
            case.assert_no_line(&case.check());
            case.joined(&case.board.boot(&["--supervised"]));
        }),
    ),
    (
        &["this is a bug in muster"],
        Never(
            "the program says it where its parts do not fit together, which nothing outside of it can cause",
        ),
    ),
    (
        &["cannot set whether the lock file stays open when k3s starts"],
        OnBoard(|case| {
            case.board.power_on_without_muster();
            // The C library makes the first of these calls, and the second one takes the lock.
            let boot = boot_with_failing(case, "fcntl:error=EBADF:when=3+", "run/muster/lock");
            case.wait_for_lines(&boot);
            drop(boot);
            case.board.power_on_without_muster();
            case.joined(&case.board.boot(&["--supervised"]));
        }),
    ),
];

/// Runs muster by hand to its end, and sees the message.
fn refused_by_hand(case: &Case, arguments: &[&str]) {
    let mut output = case.board.boot(arguments);
    output.end();
    case.assert_lines(&output.text());
}
