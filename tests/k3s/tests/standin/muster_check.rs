//! What `muster check` reports about a server, its token, its version and its mirrors. The board's
//! interface is lo, so that it has an address.

use crate::support::{Folder, Server};
use muster::check;
use muster::digest::Sha256;
use muster::host::{Host, Mode};
use muster::k3s::release::Arch;
use muster::settings::{self, Sources};

const TAG: &str = "v1.34.1+k3s1";

/// The rows of the checks `token`, `ca`, `server`, `version` and `mirror`, for a board with this
/// token and these settings.
fn rows(server: &Server, token: &str, set: &[(&str, &str)]) -> Vec<String> {
    let root = Folder::new(&format!("check-{}", Sha256::of(token.as_bytes())));
    root.write("sys/class/net/lo/address", "52:54:00:12:34:56\n");
    root.write("sys/class/net/lo/flags", "0x1003\n");
    root.write("etc/muster/token", token);
    let host = Host::new(&root.0, Mode::Plan);
    let always = [
        ("K3S_URL", server.url.as_str()),
        ("MUSTER_INTERFACE", "lo"),
        ("MUSTER_NTP", "no"),
        ("MUSTER_MIRRORS", "server"),
    ];
    let set = always.iter().chain(set);
    let sources = Sources {
        flags: set.map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        environment: Vec::new(),
        conf: "/none".into(),
    };
    let settings = settings::load(&host, &sources);
    let report = check::run(&host, settings, "/none").report.text(false);
    let names = ["token", "ca", "server", "version", "mirror"];
    let rows = report
        .lines()
        .map(|line| line.replace(&server.url, "URL") + "\n");
    rows.filter(|row| names.contains(&row[9..18].trim_end()))
        .collect()
}

/// Asserts that there are these rows and no others. Of each row, the begin is given.
#[track_caller]
fn assert_rows(rows: &[String], expected: &[&str]) {
    let as_expected = |(row, begin): (&String, &&str)| row.starts_with(begin);
    let all = rows.iter().zip(expected).all(as_expected);
    assert!(
        all && rows.len() == expected.len(),
        "{rows:#?}\n{expected:#?}"
    );
}

/// A token of agents, with the hash of the server's CA.
fn token(server: &Server) -> String {
    server.token().replace("::server:", "::node:")
}

const FORM: &str = "ok       token     the join token has a valid form, and contains the hash";
const CA: &str = "ok       ca        the server's CA is the one in the join token\n";
const VERSION: &str = "ok       server    URL accepts the token and runs k3s v1.34.1+k3s1\n";
const UNREACHED: &str = "UNKNOWN  mirror    not checked: the release of k3s is not known\n";
const NO_FILE: &str = "MISSING  mirror    URL/static/k3s/v1.34.1%2Bk3s1/";
const REMEDY: &str = "MISSING  mirror    put ";

#[test]
fn a_mirror_that_has_the_release_is_enough() {
    let data = Folder::new("check-mirrors");
    let server = Server::start(&data.0, &[]);
    let token = token(&server);
    let rows = |set: &[(&str, &str)]| rows(&server, &token, set);
    let from = |mirrors| rows(&[("MUSTER_MIRRORS", mirrors)]);
    let no_digest = "MISSING  mirror    http://127.0.0.1:1/: plain http is used only with a digest";
    assert_rows(&from("server"), &[FORM, CA, VERSION, NO_FILE, REMEDY]);
    assert_rows(&from("http://127.0.0.1:1"), &[FORM, CA, VERSION, no_digest]);
    let arch = Arch::own();
    let folder = format!("server/static/k3s/{TAG}");
    let sums = format!("{}  {}\n", Sha256::of(b"k3s"), arch.asset());
    data.write(&format!("{folder}/{}", arch.asset()), "k3s");
    data.write(&format!("{folder}/{}", arch.sums()), &sums);
    let has = "ok       mirror    URL/static/k3s has k3s v1.34.1+k3s1\n";
    assert_rows(&from("server"), &[FORM, CA, VERSION, has]);
    let skipped = "ok       mirror    http://127.0.0.1:1/ is skipped: ";
    let both = from("server http://127.0.0.1:1");
    assert_rows(&both, &[FORM, CA, VERSION, has, skipped]);
    let by_image = [("INSTALL_K3S_SKIP_DOWNLOAD", "true")];
    assert_rows(&rows(&by_image), &[FORM, CA, VERSION]);
}

#[test]
fn the_release_must_fit_that_of_the_server() {
    let data = Folder::new("check-versions");
    let server = Server::start(&data.0, &[]);
    for (tag, expected) in [
        (
            "v1.35.0+k3s1",
            "WARNING  version   k3s v1.35.0+k3s1 is newer than the server",
        ),
        (
            "v1.33.0+k3s1",
            "ok       version   k3s v1.33.0+k3s1 is supported with the",
        ),
        (
            "v1.30.0+k3s1",
            "WARNING  version   k3s v1.30.0+k3s1 is more than three minor",
        ),
    ] {
        let rows = rows(&server, &token(&server), &[("INSTALL_K3S_VERSION", tag)]);
        let mirror = NO_FILE.replace("v1.34.1", &tag[..7]);
        assert_rows(&rows, &[FORM, CA, VERSION, expected, &mirror, REMEDY]);
    }
}

#[test]
fn a_token_that_the_server_does_not_know_is_told_apart_from_a_server_that_does_not_answer() {
    let data = Folder::new("check-tokens");
    let server = Server::start(&data.0, &[]);
    let version = [("INSTALL_K3S_VERSION", TAG)];
    let unknown_version =
        "UNKNOWN  version   the settings ask for k3s v1.34.1+k3s1, and the version";
    let bare = rows(&server, &server.password(), &[]);
    let form = "ok       token     the join token has a valid form\n";
    let no_hash = "WARNING  token     the join token has no CA hash";
    let unproven = "UNKNOWN  ca        the join token has no hash of the server's CA\n";
    let untrusted = "MISSING  mirror    the join token has no CA hash";
    assert_rows(&bare, &[form, no_hash, unproven, VERSION, untrusted]);

    let wrong = format!("{}x", token(&server));
    let refused = "MISSING  server    URL/v1-k3s/client-kube-proxy.crt: ";
    let rest = [unknown_version, NO_FILE, REMEDY];
    let expected = [&[FORM, CA, refused], &rest[..]].concat();
    assert_rows(&rows(&server, &wrong, &version), &expected);

    let other = format!("K10{}::node:x", "0".repeat(64));
    let not_its_ca = "MISSING  ca        URL/cacerts: ";
    let not_asked = "UNKNOWN  server    not checked, because the check `ca` found a problem\n";
    let expected = [FORM, not_its_ca, not_asked, UNREACHED];
    assert_rows(&rows(&server, &other, &[]), &expected);
    drop(server);

    let silent = Server::start(&data.0, &[("STANDIN_FRONT", "GET /version 404")]);
    let token = token(&silent);
    let accepted = "ok       server    URL accepts the token\n";
    let failure = "WARNING  server    URL/version answers 404";
    let expected = [&[FORM, CA, accepted, failure], &rest[..]].concat();
    assert_rows(&rows(&silent, &token, &version), &expected);
    let missing = "MISSING  server    URL/version answers 404";
    let expected = [FORM, CA, missing, UNREACHED];
    assert_rows(&rows(&silent, &token, &[]), &expected);
}
