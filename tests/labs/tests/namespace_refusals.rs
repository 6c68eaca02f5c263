//! What must not be run, and who says no: each ends in one line that says what to do, and nothing executable is left behind.

use muster_labs::{
    ADDRESS, ASKED, Board, NamespaceBoard, Options, Service, Site, is_standin, needs_standin,
};
use std::time::SystemTime;

const MAC: &str = "52:54:00:12:34:56";

/// A boot that must fail: what it said last, and that nothing of k3s is on the board.
fn fails(board: &NamespaceBoard, steps: &[&str]) -> String {
    let mut boot = board.boot(steps);
    let status = boot.end();
    assert_eq!(status.code(), Some(1), "{}", boot.text());
    let executables = board.run(&["sh", "-c", "ls -A /usr/local/bin"]);
    assert_eq!(executables, "", "{}", boot.text());
    let text = boot.text();
    let last = text
        .lines()
        .rfind(|line| line.starts_with("muster: ERROR: "));
    last.unwrap_or_else(|| panic!("no last word: {text}"))
        .to_string()
}

#[test]
fn wrong_bytes_never_become_executable() {
    let site = Site::new(Options::default());
    let binary = site.release(false).join("k3s");
    let mut bytes = std::fs::read(&binary).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&binary, bytes).unwrap();
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let said = fails(&board, &[]);
    assert!(
        said.contains(&format!("no mirror could supply k3s {}", site.tag()))
            && said.contains("SHA-256 mismatch"),
        "{said}"
    );
    // A body that is cut short behind a length that says so is wrong bytes too.
    std::fs::File::options()
        .write(true)
        .open(&binary)
        .unwrap()
        .set_len(1_000_000)
        .unwrap();
    let said = fails(&board, &[]);
    assert!(said.contains("SHA-256 mismatch"), "{said}");
}

#[test]
fn a_mirror_without_the_release_is_passed_over() {
    if needs_standin(ASKED) {
        return;
    }
    let site = Site::new(Options::default());
    let (binary, aside) = (site.release(false).join("k3s"), site.path("aside"));
    std::fs::rename(&binary, &aside).unwrap();
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let said = fails(&board, &[]);
    assert!(
        said.contains("mirror.lan:8443/k3s/v1.34.1%2Bk3s1/k3s answers 404 Not Found"),
        "{said}"
    );
    let remedy = "put k3s and sha256sum-amd64.txt of the release v1.34.1+k3s1 into \
                  /var/lib/rancher/k3s/server/static/k3s/v1.34.1+k3s1/ on the k3s server";
    assert!(said.contains(remedy), "{said}");
    let check = board.command(&["/usr/sbin/muster", "check"]).output();
    let check = String::from_utf8(check.unwrap().stdout).unwrap();
    assert!(check.contains(remedy), "{check}");
    // The server has none either, as most have not; once the mirror behind it has it, that is no obstacle.
    std::fs::rename(&aside, &binary).unwrap();
    board.boot_to_joined();
    let asked = site.server_requests();
    assert!(
        asked
            .iter()
            .any(|asked| asked.path.contains("/static/k3s/") && asked.status == 404),
        "{asked:?}"
    );
    assert!(
        site.mirror_requests()
            .iter()
            .any(|(path, status, _)| path.ends_with("/k3s") && *status == 200)
    );
}

/// The bytes come over plain http. The k3s server has no k3s, but the checksum file.
#[test]
fn the_servers_checksum_file_vouches_for_a_plain_http_mirror() {
    let address = format!("{ADDRESS}:8080");
    let site = Site::new(Options {
        nginx: format!("listen {address};\n"),
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    let mirror = format!("http://{address}/k3s");
    board.overlay.set("MUSTER_MIRRORS", &mirror);
    board.power_on_without_muster();
    let said = fails(&board, &[]);
    let why = "plain http is used only with a digest from a trusted place";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("sha256sum-amd64.txt"), "{said}");
    let (from, to) = (site.release(false), site.release(true));
    std::fs::create_dir_all(&to).unwrap();
    let sums = site.assets().1;
    std::fs::copy(from.join(sums), to.join(sums)).unwrap();
    board.boot_to_joined();
}

#[test]
fn a_mirror_that_is_ill_is_waited_for() {
    let site = Site::new(Options {
        nginx: "location /k3s/ { return 500; }".into(),
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let boot = board.boot(&[]);
    let said = boot
        .wait_for("answers 500 Internal Server Error; retrying")
        .text;
    assert!(
        said.contains("WARN: fetch: https://mirror.lan:8443/"),
        "{said}"
    );
    assert_eq!(board.run(&["sh", "-c", "ls -A /usr/local/bin"]), "");
    // It serves the release from here on, and the board finds out by itself.
    site.fill_server();
    let mut second = NamespaceBoard::new(&site, "52:54:00:00:00:01");
    second.power_on_without_muster();
    second.boot_to_joined();
    assert!(board.host_muster_pid().is_some(), "it goes on trying");
    assert!(
        board
            .read("/run/muster/status.json")
            .unwrap()
            .contains("answers 500")
    );
}

#[test]
fn a_token_that_is_not_accepted() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.token = Some(format!("{}x", site.token()));
    board.power_on_without_muster();
    let said = fails(&board, &[]);
    assert!(
        said.contains("does not accept the join token") && said.contains("server/agent-token"),
        "{said}"
    );
    assert!(!said.contains(site.token().rsplit(':').next().unwrap()));
}

#[test]
fn a_node_that_is_known_by_another_password() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    drop(board.boot_to_joined());
    if is_standin() {
        // Each request for a certificate carries a password: one is muster's, three are k3s's.
        let asked = site.server_requests();
        let certificates = asked.iter().filter(|asked| asked.path.ends_with(".crt"));
        assert_eq!(certificates.count(), 4, "{asked:?}");
    }
    let downloads = site.mirror_requests().len();
    // Its secret changed: the same board, another password.
    board
        .overlay
        .set("MUSTER_NODE_SECRET_FILE", "/etc/muster/secret");
    board
        .overlay
        .add("etc/muster/secret", "another secret\n", 0o600);
    board.power_on_without_muster();
    let mut boot = board.boot(&[]);
    assert_eq!(boot.end().code(), Some(1));
    let remedy = "kubectl -n kube-system delete secret worker-64e59a.node-password.k3s";
    let said = boot.text().lines().last().unwrap().to_string();
    assert!(
        said.starts_with("muster: ERROR: register: ") && said.contains(remedy),
        "{said}"
    );
    assert_eq!(site.mirror_requests().len(), downloads, "k3s was fetched");
    // The remedy, as it was printed, helps.
    let words: Vec<&str> = remedy.split(' ').skip(1).collect();
    site.kubectl(&words);
    board.boot_to_joined();
}

/// Each costs the server a scrypt, so a first boot sends as few as it can before k3s takes over.
#[test]
fn a_first_boot_sends_one_request_with_a_password_and_two_with_the_fallback() {
    if needs_standin(ASKED) {
        return;
    }
    for (front, passwords) in [("", 1), ("POST /v1-k3s/client-kubelet.crt 405", 2)] {
        let site = Site::new(Options {
            server: vec![("STANDIN_FRONT".into(), front.into())],
            ..Options::default()
        });
        let mut board = NamespaceBoard::new(&site, MAC);
        board.power_on_without_muster();
        board.run_muster(&[
            "identity", "network", "clock", "prepare", "register", "fetch",
        ]);
        // What lies below this path is asked for with the token's password.
        let asked = site.server_requests().into_iter();
        let asked: Vec<_> = asked
            .filter(|asked| asked.path.starts_with("/v1-k3s/"))
            .collect();
        assert_eq!(asked.len(), passwords, "{front}: {asked:?}");
        assert!(board.read("/usr/local/bin/k3s").is_some());
    }
}

#[test]
fn a_server_whose_ca_is_not_the_tokens() {
    if needs_standin("a real server has its CA in its database too") {
        return;
    }
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    let token = board.overlay.token.clone();
    drop(board);
    site.stop(Service::Server);
    std::fs::remove_dir_all(site.path("k3s/server/tls")).unwrap();
    site.start(Service::Server);
    board = NamespaceBoard::new(&site, MAC);
    board.overlay.token = token;
    board.power_on_without_muster();
    let said = fails(&board, &[]);
    assert!(
        said.contains("the server's CA does not match the CA hash in the join token"),
        "{said}"
    );
    assert!(said.contains("copy the token for agents"), "{said}");
    // Nothing but the question for the CA reached it.
    let asked = site.server_requests();
    let last = asked.last().unwrap();
    assert!(last.path.contains("/cacerts"), "{last:?}");
}

#[test]
fn a_short_token_is_warned_of_and_its_server_is_no_mirror() {
    if needs_standin(ASKED) {
        return;
    }
    let site = Site::new(Options::default());
    site.fill_server();
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.token = site.token().rsplit(':').next().map(String::from);
    board.power_on_without_muster();
    let since = SystemTime::now();
    let boot = board.boot(&[]);
    boot.wait_for("WARN: register: the join token has no CA hash");
    board.wait_joined(&boot, since);
    assert!(
        boot.text().contains("checksum file is not trusted"),
        "{}",
        boot.text()
    );
    let from_server = site
        .server_requests()
        .into_iter()
        .filter(|asked| asked.path.contains("/static/"))
        .count();
    assert_eq!(from_server, 0);
}

#[test]
fn a_bootstrap_token_joins() {
    if needs_standin("a real server has no file with a bootstrap token") {
        return;
    }
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.token = Some(
        std::fs::read_to_string(site.path("k3s/server/bootstrap-token"))
            .unwrap()
            .trim()
            .into(),
    );
    board.power_on_without_muster();
    board.boot_to_joined();
}

#[test]
fn a_server_with_a_chain_of_cas_is_pinned_by_its_root() {
    if needs_standin("the stand-in makes the chain") {
        return;
    }
    let site = Site::new(Options {
        server: vec![("STANDIN_CHAIN".into(), "1".into())],
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.boot_to_joined();
}
