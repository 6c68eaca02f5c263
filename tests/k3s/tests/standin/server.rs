//! Tests the answers of `k3s server` with the HTTP client that muster uses.

use crate::support::{Folder, Server, eventually, text};
use muster::http::{Request, Status};
use std::sync::Barrier;
use std::thread;

const KUBE_PROXY: &str = "/v1-k3s/client-kube-proxy.crt";

#[test]
fn version_needs_a_certificate_and_a_certificate_needs_the_token() {
    let data = Folder::new("version");
    let server = Server::start(&data.0, &[("STANDIN_ROLES_DELAY_MS", "3600000")]);
    assert_eq!(text(server.get("/ping").response().unwrap()), "pong");
    let ca = ring::digest::digest(&ring::digest::SHA256, server.cacerts().as_bytes());
    assert!(
        server
            .token()
            .starts_with(&format!("K10{}::server:", hex::encode(ca)))
    );

    let ask = |user, password: &str| {
        server
            .get(KUBE_PROXY)
            .basic_auth(user, password)
            .response()
            .unwrap()
    };
    assert_eq!(ask("node", "wrong").status().0, 401);
    // Without credentials that an authenticator knows, `doAuth` answers 403.
    assert_eq!(server.get(KUBE_PROXY).response().unwrap().status().0, 403);
    assert_eq!(
        server
            .get(KUBE_PROXY)
            .bearer_auth("stand1.0000000000000000")
            .response()
            .unwrap()
            .status()
            .0,
        403
    );
    assert_eq!(
        server
            .get(KUBE_PROXY)
            .bearer_auth("stand1.0123456789abcdef")
            .response()
            .unwrap()
            .status()
            .0,
        200
    );
    let identity = text(ask("node", &server.password()));
    assert!(identity.contains("EC PRIVATE KEY"));

    let version = |server: &Server, identity| {
        Request::get(&server.client(identity), &server.url("/version"))
            .response()
            .unwrap()
    };
    assert_eq!(version(&server, None).status().0, 401);
    assert_eq!(version(&server, Some(&identity)).status().0, 403);
    drop(server);
    // The certificate is still valid after a restart, and the roles are in place some time after
    // it.
    let server = Server::start(
        &data.0,
        &[
            ("STANDIN_VERSION", "v1.33.4+k3s1"),
            ("STANDIN_ROLES_DELAY_MS", "300"),
        ],
    );
    assert_eq!(version(&server, None).status().0, 401);
    eventually("/version answers 200", || {
        version(&server, Some(&identity)).status().0 == 200
    });
    let answer = text(version(&server, Some(&identity)));
    assert!(
        answer.contains(r#""gitVersion": "v1.33.4+k3s1""#),
        "{answer}"
    );
}

#[test]
fn a_restarted_server_keeps_token_and_node_passwords() {
    let data = Folder::new("restart");
    let server = Server::start(&data.0, &[]);
    assert_eq!(server.kubelet("n1", "first").status().0, 200);
    let (token, port) = (
        server.token(),
        server.url.rsplit(':').next().unwrap().to_owned(),
    );
    assert!(server.process.terminate().success());

    let server = Server::start_with(&data.0, &[], &["--https-listen-port", &port]);
    assert_eq!(server.token(), token);
    assert_eq!(server.kubelet("n1", "other").status().0, 403);
    assert_eq!(server.kubelet("n1", "first").status().0, 200);
    assert_eq!(server.kubelet("../n1", "first").status().0, 400);
    let secrets = data.0.join("server/node-passwords/n1");
    assert!(
        !std::fs::read_to_string(secrets).unwrap().contains("first"),
        "the password is stored in plain text"
    );
}

#[test]
fn static_files_support_range_requests() {
    let data = Folder::new("static");
    let server = Server::start(&data.0, &[]);
    data.write("server/static/k3s/v1.34.1+k3s1/k3s-arm64", "0123456789");
    let path = "/static/k3s/v1.34.1%2Bk3s1/k3s-arm64";
    let whole = server.get(path).response().unwrap();
    assert_eq!((whole.status().0, whole.content_length()), (200, Some(10)));
    let modified = whole.header("last-modified").unwrap().to_owned();
    assert!(whole.header("etag").is_none(), "k3s sends no ETag");

    let part = |range: &str, known: &str| {
        let answer = server
            .get(path)
            .header("Range", range)
            .header("If-Range", known)
            .response()
            .unwrap();
        let range = answer.header("content-range").map(String::from);
        (answer.status().0, range, text(answer))
    };
    assert_eq!(
        part("bytes=4-", &modified),
        (206, Some("bytes 4-9/10".into()), "456789".into())
    );
    assert_eq!(
        part("bytes=4-", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (200, None, "0123456789".into())
    );
    assert_eq!(
        part("bytes=10-", &modified),
        (416, Some("bytes */10".into()), String::new())
    );
    let head = Request::new(&server.client(None), "HEAD", &server.url(path))
        .response()
        .unwrap();
    assert_eq!(
        (head.status(), head.header("content-length")),
        (Status(200), Some("10"))
    );
    for missing in ["/static/nothing", "/static/", "/static/..%2Ftoken"] {
        assert_eq!(
            server.get(missing).response().unwrap().status().0,
            404,
            "{missing}"
        );
    }
    let log = server.log();
    let line = log.lines().find(|line| line.contains(" 206 ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[1..], ["127.0.0.1", "GET", path, "206", "-"]);
}

#[test]
fn certificate_chain_and_validity_are_configurable() {
    let data = Folder::new("chain");
    let server = Server::start(&data.0, &[("STANDIN_CHAIN", "1")]);
    assert_eq!(server.cacerts().matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(server.kubelet("n1", "secret").status().0, 200);
    drop(server);

    for env in [
        ("STANDIN_NOT_AFTER", "1600000000"),
        ("STANDIN_NOT_BEFORE", "2500000000"),
    ] {
        let server = Server::start(&data.0, &[env]);
        let failure = server.get("/ping").response().err().unwrap();
        let error = failure.to_string();
        assert!(
            error.contains(if env.0 == "STANDIN_NOT_AFTER" {
                "has expired"
            } else {
                "is not valid yet"
            }),
            "{error}"
        );
    }
}

#[test]
fn only_ten_writers_are_admitted_at_a_time() {
    let data = Folder::new("admission");
    let server = Server::start(&data.0, &[]);
    const WRITERS: usize = 40;
    let barrier = Barrier::new(WRITERS);
    let ask = &|number: usize| {
        let client = server.client(None);
        let ping = Request::get(&client, &server.url("/ping"));
        text(ping.response().unwrap());
        let url = server.url("/v1-k3s/client-kubelet.crt");
        let request = Request::post(&client, &url, Vec::new());
        let request = request
            .basic_auth("node", &server.password())
            .header("k3s-Node-IP", "192.0.2.1");
        let request = request
            .header("k3s-Node-Name", &format!("n{number}"))
            .header("k3s-Node-Password", "secret");
        barrier.wait();
        let answer = request.response().unwrap();
        (answer.status().0, answer.header("retry-after").is_some())
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|number| scope.spawn(move || ask(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, (200, false) | (429, true))),
        "{answers:?}"
    );
    assert!(
        answers.iter().filter(|(status, _)| *status == 200).count() >= 10,
        "{answers:?}"
    );
    assert!(
        answers.contains(&(429, true)),
        "the server admitted all {WRITERS} writers"
    );
}
