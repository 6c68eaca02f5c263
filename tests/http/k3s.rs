//! Asks k3s servers, release channels and mirrors that answer as scripted.

use crate::servers::{Answer, Requests, answer, server, tls};
use crate::{clients, url};
use muster::board::hostname::Hostname;
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::digest::Sha256;
use muster::download::mirror::probe;
use muster::host::{Host, Mode};
use muster::http::{Clients, Failure};
use muster::k3s::channel::ask_channel;
use muster::k3s::link::ServerLink;
use muster::k3s::release::{Arch, Tag};
use muster::k3s::server::Server;
use muster::k3s::token::{JoinToken, Token};
use muster::settings::{self, Sources};
use rcgen::{CertificateParams, KeyPair};
use rustls::version::TLS13;
use std::time::Duration;

const VERSION: &str = r#"{"gitVersion":"v1.34.1+k3s1"}"#;

fn with_body(status: &str, body: &str) -> Answer {
    let length = body.len();
    answer(&format!("{status}\r\nContent-Length: {length}"), body)
}

/// A client certificate with its key, as a server that takes no signing request sends them.
fn certificate() -> Answer {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    with_body("200 OK", &(certificate.pem() + &key.serialize_pem()))
}

/// A server that has sent its CA and then gives these answers. Its address is the second value.
fn k3s(answers: Vec<Answer>) -> (Server, String, Requests) {
    let (ca, config) = tls(&TLS13);
    let ca = String::from_utf8(ca).unwrap();
    let first = with_body("200 OK", &ca);
    let (address, requests) = server(Some(config), [vec![first], answers].concat());
    let token = format!("K10{}::node:pw", Sha256::of(ca.as_bytes()));
    let token = JoinToken::Read(Token::parse(&token).unwrap());
    let at = url(&format!("https://{address}"));
    let link = ServerLink::new(at, token, &clients(None, None, None), Duration::ZERO);
    assert!(link.connected().is_none());
    (link.reach().ok().unwrap(), address, requests)
}

/// The request lines after that for the CA.
fn lines(requests: &Requests) -> Vec<String> {
    let requests = requests.lock().unwrap();
    let lines = requests.iter().skip(1).map(|(_, head)| {
        // The server reads no bodies, so one may stand before a request.
        let line = head.split(" HTTP/1.1").next().unwrap();
        let start = line.rfind("GET ").or_else(|| line.rfind("POST "));
        line[start.unwrap()..].to_string()
    });
    lines.collect()
}

fn accepts(server: &Server) -> Result<(), Failure> {
    server.ask_acceptance("n1", "pw", [192, 0, 2, 1].into())
}

#[test]
fn a_server_that_takes_no_signing_request_makes_the_key_itself() {
    let post = "POST /v1-k3s/client-kubelet.crt";
    let get = "GET /v1-k3s/client-kubelet.crt";
    for status in [
        "404 Not Found",
        "405 Method Not Allowed",
        "501 Not Implemented",
    ] {
        let refused = with_body(status, "no");
        let (server, _, requests) = k3s(vec![refused, certificate(), certificate()]);
        assert!(!server.accepts_token());
        accepts(&server).unwrap();
        assert!(server.accepts_token());
        // The next request is a GET at once.
        accepts(&server).unwrap();
        assert_eq!(lines(&requests), [post, get, get]);
        let head = requests.lock().unwrap()[3].1.clone();
        for header in [
            "Authorization: Basic bm9kZTpwdw==\r\n",
            "k3s-Node-Name: n1\r\nk3s-Node-Password: pw\r\nk3s-Node-IP: 192.0.2.1\r\n",
        ] {
            assert!(head.contains(header), "{head}");
        }
    }
    let (server, _, requests) = k3s(vec![with_body("401 Unauthorized", "no")]);
    let error = accepts(&server).unwrap_err().to_string();
    assert!(error.contains("does not accept the join token"), "{error}");
    assert_eq!(lines(&requests), [post]);
    assert!(!server.accepts_token());
}

/// A node whose interface has an address.
fn node() -> Node {
    Node {
        mac: Mac::parse("52:54:00:12:34:56").unwrap(),
        name: Hostname::parse("n1").unwrap(),
        interface: "lo".into(),
        serial: None,
    }
}

#[test]
fn a_registered_node_has_its_certificate() {
    let (server, _, requests) = k3s(vec![certificate()]);
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    server.register(&host, &node(), "pw").unwrap();
    assert!(server.accepts_token());
    let head = &requests.lock().unwrap()[1].1;
    assert!(head.contains("k3s-Node-Name: n1\r\n"), "{head}");
}

#[test]
fn the_version_is_that_of_the_server_or_of_an_api_server() {
    let (server, _, requests) = k3s(vec![certificate(), with_body("200 OK", VERSION)]);
    assert_eq!(server.ask_version().unwrap().to_string(), "v1.34.1+k3s1");
    let proxy = "POST /v1-k3s/client-kube-proxy.crt";
    assert_eq!(lines(&requests), [proxy, "GET /version"]);

    let starting = with_body("503 Service Unavailable", "starting");
    let (server, _, requests) = k3s(vec![certificate(), starting]);
    let error = server.ask_version().unwrap_err().to_string();
    assert!(
        error.ends_with("answers 503 Service Unavailable: starting"),
        "{error}"
    );
    assert_eq!(lines(&requests), [proxy, "GET /version"]);

    let etcd = with_body("503 Service Unavailable", "apiserver disabled");
    let (server, _, requests) = k3s(vec![certificate(), etcd, with_body("200 OK", "[]")]);
    let error = server.ask_version().unwrap_err().to_string();
    assert!(
        error.ends_with("does not know an API server yet"),
        "{error}"
    );
    let asked = [proxy, "GET /version", "GET /v1-k3s/apiservers"];
    assert_eq!(lines(&requests), asked);
}

#[test]
fn a_channel_redirects_to_the_page_of_a_release() {
    let page = "302 Found\r\nContent-Length: 0\r\nLocation: https://x/tag/v1.34.1%2Bk3s1";
    for (answer, expected) in [
        (answer(page, ""), Some("v1.34.1+k3s1")),
        (with_body("404 Not Found", ""), None),
        (answer(&page.replace("302", "200"), ""), None),
    ] {
        let (address, _) = server(None, vec![answer]);
        let at = url(&format!("http://{address}/"));
        let clients: Clients = clients(None, None, None);
        let tag = ask_channel(&clients, &at).ok();
        assert_eq!(tag.map(|tag| tag.to_string()).as_deref(), expected);
    }
}

/// What `muster check` says about the server and a mirror by plain http: nothing when the mirror
/// can be used, else the error and whether it lacks the release.
fn probed(
    server: Option<&Server>,
    mirror: &str,
    pin: Option<&str>,
) -> Vec<(bool, Option<(String, bool)>)> {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let given = [("MUSTER_MIRRORS", format!("server http://{mirror}"))];
    let pin = pin.map(|pin| ("MUSTER_K3S_SHA256", pin.to_string()));
    let flags = given.into_iter().chain(pin);
    let sources = Sources {
        flags: flags.map(|(name, value)| (name.into(), value)).collect(),
        environment: Vec::new(),
        conf: "/none".into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    let tag = Tag::parse("v1.34.1+k3s1").unwrap();
    let clients = clients(None, None, None);
    let probed = probe(&settings, &clients, &node(), server, &tag).unwrap();
    let probed = probed.into_iter().map(|(state, answer)| {
        let lacks = state.lacks_release;
        (state.is_server, answer.err().map(|error| (error, lacks)))
    });
    probed.collect()
}

#[test]
fn each_mirror_is_asked_once_for_its_file_and_the_server_for_the_digest() {
    let digest = Sha256::of(b"k3s").to_string();
    let names = ["k3s", "k3s-arm64", "k3s-armhf"];
    let sums: String = names.map(|name| format!("{digest}  {name}\n")).concat();
    let (part, lacks) = (
        with_body("206 Partial Content", "x"),
        with_body("404 Not Found", ""),
    );
    let (k3s_server, _, requests) = k3s(vec![with_body("200 OK", &sums), part.clone()]);
    let (mirror, mirrors) = server(None, vec![part]);
    let found = probed(Some(&k3s_server), &mirror, None);
    assert_eq!(found, [(true, None), (false, None)]);
    let asked = lines(&requests);
    assert!(
        asked[0].ends_with(Arch::own().sums()) && asked.len() == 2,
        "{asked:?}"
    );
    let head = mirrors.lock().unwrap()[0].1.clone();
    assert!(head.contains("\r\nRange: bytes=0-0\r\n"), "{head}");

    // Without the server's checksum file, plain http is not used.
    let (k3s_server, _, requests) = k3s(vec![lacks.clone()]);
    let found = probed(Some(&k3s_server), &mirror, None);
    assert!(matches!(&found[0], (true, Some((error, true))) if error.contains("answers 404")));
    let plain = "plain http is used only with a digest";
    assert!(matches!(&found[1], (false, Some((error, false))) if error.contains(plain)));
    assert_eq!(lines(&requests).len(), 1);

    // Without a server it is left out. A pinned digest needs no checksum file.
    let (mirror, _) = server(None, vec![lacks]);
    let found = probed(None, &mirror, Some(&digest));
    assert!(
        matches!(&found[..], [(false, Some((_, true)))]),
        "{found:?}"
    );
    let (mirror, _) = server(None, vec![with_body("403 Forbidden", "")]);
    let found = probed(None, &mirror, Some(&digest));
    assert!(
        matches!(&found[..], [(false, Some((_, false)))]),
        "{found:?}"
    );
}
