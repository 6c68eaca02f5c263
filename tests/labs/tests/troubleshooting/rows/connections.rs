//! The section on connections and certificates.

use super::Row::{Lab, Own};
use super::register::root_token;
use super::{
    Rows, WITH_NET, answer, answers, dnsmasq, downloading, mirror, restart, restart_as, server,
    short_token, signal, slow_mirror,
};
use crate::{FAULT, Fault, ON_BOARD};
use muster_labs::{ADDRESS, Board, Options, Service, Site};
use std::fs;

pub const ROWS: Rows = &[
    (&["timed out while connecting"], Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        // The kernel accepts the connection, and nobody answers.
        signal(case.site, "--https-listen-port", "STOP");
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        signal(case.site, "--https-listen-port", "CONT");
        case.joined(&boot);
    })),
    (&["timed out while waiting for data"], Own(|| slow_mirror("4m"), |case| {
        case.board.power_on_without_muster();
        let (boot, _) = downloading(case);
        signal(case.site, "nginx", "STOP");
        case.wait_for_lines(&boot);
        signal(case.site, "nginx", "CONT");
        case.joined(&boot);
    })),
    (&["the connection was closed early"], Lab(Fault {
        options: || mirror("location /k3s/ { return 444; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    (&["failed to lookup address information"], Lab(Fault {
        options: || Options {
            names: "mirror.lan",
            ..dnsmasq("txt-record=k3s.lan,no address")
        },
        ..FAULT
    })),
    (&["the server's certificate is not valid yet"], Lab(Fault {
        options: || server("STANDIN_NOT_BEFORE", "2400000000"),
        remedy: |site, _| restart(site, Service::Server),
        ..FAULT
    })),
    (&["the server's certificate has expired"], Lab(Fault {
        options: || server("STANDIN_NOT_AFTER", "1600000000"),
        remedy: |site, _| restart(site, Service::Server),
        ..FAULT
    })),
    (&["a certificate in this chain is not valid at the time that this board's clock shows"], Lab(Fault {
        options: || Options {
            server: vec![
                ("STANDIN_CHAIN".into(), "1".into()),
                ("STANDIN_INTERMEDIATE_NOT_AFTER".into(), "1600000000".into()),
            ],
            ..Options::default()
        },
        overlay: |site, board| board.overlay.token = Some(root_token(site)),
        remedy: |site, _| {
            let expired = site.path("k3s/server/tls/server-intermediate-ca.crt");
            fs::remove_file(expired).expect("the CA");
            restart_as(site, Service::Server, &server("STANDIN_CHAIN", "1"));
        },
        ..FAULT
    })),
    (&["the server's certificate is for another name"], Lab(Fault {
        options: || dnsmasq("host-record=other.lan,10.11.0.1"),
        overlay: |_, board| board.overlay.server = "https://other.lan:6443".into(),
        ..FAULT
    })),
    (&["the host name in this URL is not a valid DNS name"], Lab(Fault {
        script: "sed -i s,//k3s.lan,//-k3s.lan, /etc/conf.d/muster; echo '10.11.0.1 -k3s.lan' >>/etc/hosts",
        ..ON_BOARD
    })),
    (&["signed by a CA that this board does not trust"], Lab(Fault {
        overlay: |_, board| _ = board.overlay.settings.remove("SSL_CERT_FILE"),
        ..ON_BOARD
    })),
    (&["TLS: …"], Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.server = "https://k3s.lan:8080".into(),
        ..FAULT
    })),
    (&["the server's certificate is bad"], Lab(Fault {
        site: |site, _| {
            fs::copy(site.path("mirror.pem"), site.path("aside")).expect("the certificate");
            let script = "cd \"$0\" && echo extendedKeyUsage=clientAuth >>mirror.ext
                openssl x509 -req -in mirror.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile mirror.ext -out mirror.pem";
            muster_labs::run(&["sh", "-c", script, site.path("").to_str().expect("a path")]);
            restart(site, Service::Mirror);
        },
        remedy: |site, _| {
            fs::copy(site.path("aside"), site.path("mirror.pem")).expect("the certificate");
            restart(site, Service::Mirror);
        },
        ..FAULT
    })),
    (&["the server's CA certificate is damaged"], Own(WITH_NET, |case| {
        // The hash in a whole token would not be that of this answer.
        case.board.overlay.token = Some(short_token(case.site));
        let damaged = answer("200 OK", "Connection: close\r\n", damaged_ca(case.site).as_bytes());
        answers(case, "GET /cacerts", &[damaged]);
    })),
    (
        &["the answer holds a damaged certificate", "the answer holds no certificate"],
        Own(WITH_NET, |case| {
            let damaged = "-----BEGIN CERTIFICATE-----\nx\n";
            let body = |text: &str| answer("200 OK", "Connection: close\r\n", text.as_bytes());
            answers(case, "POST /v1-k3s/client-kubelet.crt", &[body(damaged), body("hello\n")]);
        }),
    ),
    (&["a certificate in SSL_CERT_FILE is damaged"], Lab(Fault {
        script: "f=/etc/muster/mirror-ca.pem; cp $f /run/ca
                 printf '%s\\n' '-----BEGIN CERTIFICATE-----' '!!!!' '-----END CERTIFICATE-----' >>$f",
        remedy: |_, board| _ = board.shell("cp /run/ca /etc/muster/mirror-ca.pem"),
        ..ON_BOARD
    })),
    (&["answers …"], Lab(Fault {
        options: || mirror("location /k3s/ { return 500; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    (
        &[
            "the answer is not valid HTTP",
            "its Content-Length is not valid",
            "a chunk has no length",
            "a chunk has more bytes than its length says",
            "a line is too long",
            "its headers are too long",
        ],
        Own(WITH_NET, |case| {
            let chunked = |body: &str| answer("200 OK", "Transfer-Encoding: chunked\r\n", body.as_bytes());
            let long = "a".repeat(70_000);
            answers(case, "GET /cacerts", &[
                b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(),
                answer("200 OK", "Content-Length: many\r\n", b""),
                chunked("many\r\n"),
                chunked("1\r\nab\r\n0\r\n\r\n"),
                chunked(&format!("0\r\n{}\r\n\r\n", long)),
                answer("200 OK", &format!("A: {long}"), b""),
            ]);
        }),
    ),
    (&["the answer is longer than"], Lab(Fault {
        overlay: |_, board| board.overlay.server = "https://mirror.lan:8443".into(),
        site: |site, _| long_cacerts(site),
        ..FAULT
    })),
    (&["the answer was not complete after"], Own(|| mirror("location = /cacerts { limit_rate 1000; }"), |case| {
        long_cacerts(case.site);
        case.board.overlay.server = "https://mirror.lan:8443".into();
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        case.do_blocks();
        case.joined(&boot);
    })),
    (&["redirected to a URL that does not begin with https"], Lab(Fault {
        options: || mirror("location /k3s/ { return 302 http://mirror.lan/; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    (&["redirected more than 5 times"], Lab(Fault {
        options: || mirror("location /k3s/ { return 302 $request_uri; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    (&["the proxy wants another user or password", "the proxy's answer is too long"], Own(WITH_NET, |case| {
        // The server is the proxy too, so its CA must be trusted.
        let ca = fs::read_to_string(case.site.path("k3s/server/tls/server-ca.crt")).expect("a CA");
        let both = fs::read_to_string(case.site.mirror_ca()).expect("a CA") + &ca;
        case.board.overlay.add("etc/muster/both.pem", &both, 0o644);
        case.board.overlay.set("SSL_CERT_FILE", "/etc/muster/both.pem");
        case.board.overlay.set("HTTPS_PROXY", "https://user:word@k3s.lan:6443");
        let long = format!("A: {}", "a".repeat(20_000));
        let refused = answer("407 Proxy Authentication Required", "", b"");
        answers(case, "CONNECT mirror.lan:8443", &[refused, answer("200 OK", &long, b"")]);
    })),
    (&["the proxy answers …"], Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.set("HTTPS_PROXY", "http://mirror.lan:8080"),
        ..FAULT
    })),
];

/// The server's CA with a damaged byte: its two names for the algorithm of its signature differ. Whether
/// they do is the question of the one who trusts it, so it still is a certificate in PEM.
fn damaged_ca(site: &Site) -> String {
    const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let (ca, der) = (
        site.path("k3s/server/tls/server-ca.crt"),
        site.path("ca.der"),
    );
    let paths = [&ca, &der].map(|path| path.to_str().expect("a path"));
    let [ca, file] = paths;
    muster_labs::run(&[
        "openssl", "x509", "-in", ca, "-outform", "DER", "-out", file,
    ]);
    let mut bytes = fs::read(&der).expect("the CA");
    let mut places = bytes.windows(ECDSA_WITH_SHA256.len());
    let first = places.position(|name| name == ECDSA_WITH_SHA256);
    bytes[first.expect("a name") + ECDSA_WITH_SHA256.len() - 1] += 1;
    fs::write(&der, bytes).expect("the CA");
    let text = muster_labs::run(&["base64", file]);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Has the mirror answer with a file that is much longer than a CA certificate.
fn long_cacerts(site: &Site) {
    fs::write(site.path("mirror/cacerts"), vec![b'a'; 300_000]).expect("a file");
}
