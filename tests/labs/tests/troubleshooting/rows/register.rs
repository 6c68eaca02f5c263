//! The section register: the k3s server.

use super::Row::{Lab, Own};
use super::{Rows, WITH_NET, mirror, put, put_token, restart, restart_as, server, short_token};
use crate::{FAULT, Fault, ON_BOARD, Seen, has_line};
use muster_labs::{Board, PATIENCE, Service, Site, wait_for};

/// Where the release of a channel is, as nginx says it.
const CHANNEL: &str =
    "location /channels/ { return 302 https://github.com/k3s-io/k3s/releases/tag/v1.34.1%2Bk3s1; }";

pub const ROWS: Rows = &[
    (
        &["the k3s server: …; retrying"],
        Lab(Fault {
            overlay: |_, board| board.overlay.server = "https://nowhere.lan:6443".into(),
            // The check has the same reason without these words, because it does not retry.
            checked: false,
            ..ON_BOARD
        }),
    ),
    (
        &["registration of this node: …; retrying"],
        Lab(Fault {
            options: || server("STANDIN_STATE", "starting"),
            remedy: |site, _| restart(site, Service::Server),
            checked: false,
            ..FAULT
        }),
    ),
    (
        &["the k3s server's version: …; retrying"],
        Lab(Fault {
            options: || server("STANDIN_FRONT", "GET /version 503"),
            remedy: |site, _| restart(site, Service::Server),
            checked: false,
            ..FAULT
        }),
    ),
    (
        &["the release channel: …; retrying"],
        Lab(Fault {
            options: || mirror("location /channels/ { return 503; }"),
            overlay: |site, board| {
                let url = site.mirror_url().replace("/k3s", "/channels");
                board.overlay.set("INSTALL_K3S_CHANNEL_URL", &url);
                board.overlay.set("INSTALL_K3S_CHANNEL", "stable");
            },
            remedy: |site, _| restart_as(site, Service::Mirror, &mirror(CHANNEL)),
            checked: false,
            ..FAULT
        }),
    ),
    (
        &["the server's CA does not match the CA hash in the join token"],
        Lab(Fault {
            overlay: |_, board| {
                board.overlay.token = Some(format!("K10{}::node:word", "0".repeat(64)))
            },
            remedy: put_token,
            ..ON_BOARD
        }),
    ),
    (
        &["the answer is not a CA certificate"],
        Lab(Fault {
            options: || mirror("location = /cacerts { return 200 hello; }"),
            overlay: |_, board| board.overlay.server = "https://mirror.lan:8443".into(),
            ..FAULT
        }),
    ),
    (
        &["does not end in this CA"],
        Lab(Fault {
            options: || server("STANDIN_CHAIN", "root-first"),
            // The hash of the root, which an operator would compute from the file.
            overlay: |site, board| board.overlay.token = Some(root_token(site)),
            remedy: |site, board| {
                restart_as(site, Service::Server, &server("STANDIN_CHAIN", "1"));
                put_token(site, board);
            },
            ..FAULT
        }),
    ),
    (
        &["does not accept the join token"],
        Lab(Fault {
            overlay: |site, board| board.overlay.token = Some(format!("{}x", site.token())),
            remedy: put_token,
            ..ON_BOARD
        }),
    ),
    (
        &["does not know the join token yet"],
        Lab(Fault {
            overlay: |site, board| {
                let token = site.token();
                let (hash, _) = token.split_once("::").expect("a hash");
                board.overlay.token = Some(format!("{hash}::abcdef.0123456789abcdef"));
            },
            remedy: |site, board| put(&site.path("k3s/server/bootstrap-token"), board),
            ..FAULT
        }),
    ),
    (
        &["cannot check the password of … now"],
        Lab(Fault {
            options: || server("STANDIN_STATE", "locked"),
            remedy: |site, _| restart(site, Service::Server),
            checked: false,
            ..FAULT
        }),
    ),
    (
        &["refuses this request (403)"],
        Lab(Fault {
            // A boot asks for another certificate, which has another message.
            options: || server("STANDIN_FRONT", "POST /v1-k3s/client-kube-proxy.crt 403"),
            script: "muster identity network",
            remedy: |site, _| restart(site, Service::Server),
            seen: Seen::Check,
            ..FAULT
        }),
    ),
    (
        &["has another node password for"],
        Own(WITH_NET, |case| {
            case.board.power_on_without_muster();
            drop(case.board.boot_to_joined());
            case.board
                .overlay
                .set("MUSTER_NODE_SECRET_FILE", "/etc/muster/secret");
            case.board
                .overlay
                .add("etc/muster/secret", "another secret\n", 0o600);
            case.board.power_on_without_muster();
            let boot = case.board.boot(&["--supervised"]);
            case.wait_for_lines(&boot);
            case.do_blocks();
            case.joined(&boot);
        }),
    ),
    (
        &["did not see this board's client certificate"],
        Lab(Fault {
            options: || server("STANDIN_FRONT", "no-client-certificates"),
            remedy: |site, _| restart(site, Service::Server),
            ..FAULT
        }),
    ),
    (
        &["runs only etcd, and does not know an API server yet"],
        Lab(Fault {
            options: || server("STANDIN_STATE", "etcd-only"),
            remedy: |site, _| restart(site, Service::Server),
            // Its certificate is not a node's, so the server tells the check nothing of API servers.
            checked: false,
            ..FAULT
        }),
    ),
    (
        &["the answer names no k3s release"],
        Lab(Fault {
            options: || server("STANDIN_VERSION", "unknown"),
            ..FAULT
        }),
    ),
    (
        &["to go on without the server's answer"],
        Own(
            || server("STANDIN_VERSION", "unknown"),
            |case| {
                case.board.power_on_without_muster();
                let boot = case.board.boot(&["--supervised"]);
                boot.wait_for("the answer names no k3s release");
                // The server gives no release for two minutes, and is asked twice a minute by then.
                let patience = 3 * PATIENCE;
                wait_for("the setting that helps", patience, || {
                    has_line(&boot.text(), case.name()).then_some(())
                });
                case.do_blocks();
                case.joined(&boot);
            },
        ),
    ),
    (
        &[
            "and Kubernetes does not support this",
            "leave INSTALL_K3S_VERSION and INSTALL_K3S_CHANNEL out",
        ],
        Lab(Fault {
            overlay: |_, board| board.overlay.set("INSTALL_K3S_VERSION", "v1.36.0+k3s1"),
            script: "muster identity network",
            remedy: |_, board| _ = board.shell("sed -i /^INSTALL_K3S_VERSION/d /etc/conf.d/muster"),
            seen: Seen::Check,
            ..ON_BOARD
        }),
    ),
    (
        &["has lost its address"],
        Own(
            || server("STANDIN_STATE", "starting"),
            |case| {
                case.board.power_on_without_muster();
                let boot = case.board.boot(&["--supervised"]);
                boot.wait_for("registration of this node: ");
                case.board.shell("ip addr flush dev eth0");
                case.wait_for_lines(&boot);
                restart(case.site, Service::Server);
                case.do_blocks();
                case.joined(&boot);
            },
        ),
    ),
    (
        &["so nothing proves that this is your server"],
        Lab(Fault {
            overlay: |site, board| board.overlay.token = Some(short_token(site)),
            remedy: put_token,
            seen: Seen::Warns,
            ..ON_BOARD
        }),
    ),
    (
        &["the join token is the server's own"],
        Lab(Fault {
            options: || server("K3S_AGENT_TOKEN", "words-for-agents"),
            overlay: |site, board| board.overlay.token = Some(site.token()),
            script: "muster identity network",
            remedy: put_token,
            seen: Seen::Check,
            ..FAULT
        }),
    ),
];

/// The token with the hash of the chain's root instead of the one that k3s computes.
pub fn root_token(site: &Site) -> String {
    let tls = site.path("k3s/server/tls");
    let script = "cd \"$0\" && openssl x509 -in server-root-ca.crt -outform DER | sha256sum";
    let hash = muster_labs::run(&["sh", "-c", script, tls.to_str().expect("a path")]);
    let token = site.token();
    let (_, rest) = token.split_once("::").expect("a token");
    format!("K10{}::{rest}", &hash[..64])
}
