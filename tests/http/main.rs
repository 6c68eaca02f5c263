//! Tests muster's HTTP client over real sockets.

#![allow(
    clippy::disallowed_methods,
    reason = "a server of the tests sleeps between bytes"
)]

mod k3s;
mod requests;
mod servers;

use muster::http::{Clients, Failure, Request, proxy_url};
use rustls::version::{TLS12, TLS13};
use servers::{Answer, Requests, answer, proxy, server, tls, tls_proxy};
use std::io::Read;
use std::time::Duration;
use url::Url;

fn clients(proxy: Option<&str>, no_proxy: Option<&str>, ca: Option<Vec<u8>>) -> Clients {
    let proxy = proxy.map(|text| proxy_url(text).unwrap());
    Clients::new(proxy, no_proxy, ca)
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// The status and the body of an answer, or the error.
fn get(request: Request) -> Result<(u16, String), String> {
    let mut answer = request.response().map_err(|failure| failure.to_string())?;
    let mut body = String::new();
    // A small buffer, so that most records and chunks are read in parts.
    let mut buffer = [0; 7];
    loop {
        match answer.read(&mut buffer) {
            Ok(0) => return Ok((answer.status().0, body)),
            Ok(n) => body += std::str::from_utf8(&buffer[..n]).unwrap(),
            Err(error) => return Err(Failure::of_connection(answer.url(), &error).to_string()),
        }
    }
}

/// The numbers of the connections that the requests came over.
fn connections(requests: &Requests) -> Vec<usize> {
    let requests = requests.lock().unwrap();
    requests.iter().map(|(number, _)| *number).collect()
}

/// The body of one plain answer, or the error without the URL.
fn body_of(answer: Answer) -> Result<String, String> {
    let (address, _) = server(None, vec![answer]);
    let (client, url) = (
        clients(None, None, None).public().unwrap(),
        url(&format!("http://{address}/")),
    );
    let body = get(Request::get(&client, &url)).map(|(_, body)| body);
    body.map_err(|error| {
        error
            .strip_prefix(&format!("{url}: "))
            .unwrap_or(&error)
            .into()
    })
}

#[test]
fn bodies_of_any_framing_come_over_one_connection() {
    let chunked = "200 OK\r\nTransfer-Encoding: chunked";
    // It is longer than a TLS record, and than what is received with the headers.
    let long: String = (0..10_000).map(|n| format!("{n:04}")).collect();
    let answers = vec![
        answer("200 OK\r\nContent-Length: 11", "hello world"),
        answer(
            chunked,
            "5;x=y\r\nhello\r\n006\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
        ),
        answer("100 Continue\r\n\r\nHTTP/1.1 204 No Content", ""),
        answer("404 Not Found\r\nContent-Length: 0", ""),
        answer("200 OK\r\nContent-Length: 40000", &long),
        answer("200 OK\r\nConnection: close\r\nContent-Length: 2", "ok"),
        Answer::Last(b"HTTP/1.0 200 OK\r\n\r\nuntil the end".into()),
    ];
    for version in [&TLS12, &TLS13] {
        let (ca, config) = tls(version);
        let (address, requests) = server(Some(config), answers.clone());
        let client = clients(None, None, Some(ca)).public().unwrap();
        let url = url(&format!("https://{address}/a%2Bb?c"));
        let ask = || get(Request::get(&client, &url).header("X", "y"));
        for expected in [
            (200, "hello world"),
            (200, "hello world"),
            (204, ""),
            (404, ""),
            (200, &long),
            (200, "ok"),
        ] {
            assert_eq!(ask().unwrap(), (expected.0, expected.1.to_string()));
        }
        // Only the server's own end tells that nothing was cut off, and this server sends none.
        assert!(
            ask()
                .unwrap_err()
                .ends_with("the connection was closed early")
        );
        assert_eq!(connections(&requests), [0, 0, 0, 0, 0, 0, 1]);
        let head = requests.lock().unwrap()[0].1.clone();
        let lines: Vec<&str> = head.lines().collect();
        let agent = concat!("User-Agent: muster/", env!("CARGO_PKG_VERSION"));
        let host = format!("Host: {address}");
        let rest = [
            "GET /a%2Bb?c HTTP/1.1",
            &host,
            agent,
            "Accept: */*",
            "X: y",
            "",
        ];
        assert_eq!(lines, rest);
    }
}

#[test]
fn a_body_that_is_not_as_announced_is_an_error() {
    let chunked = |body| answer("200 OK\r\nTransfer-Encoding: chunked", body);
    let last = |text: &str| Answer::Last(format!("HTTP/1.1 200 OK\r\n{text}").into());
    let (early, invalid) = (
        "the connection was closed early",
        "the answer is not valid HTTP: ",
    );
    assert_eq!(body_of(last("\r\nall")).unwrap(), "all");
    for (answer, error) in [
        (last("Content-Length: 5\r\n\r\nfour"), early),
        (last("Transfer-Encoding: chunked\r\n\r\n5\r\nfour"), early),
        (
            last("Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"),
            early,
        ),
        (last("Content-Le"), early),
        (chunked("4\r\nfour!\r\n"), invalid),
        (chunked("x\r\n"), invalid),
        (chunked("fffffffffffffffff\r\n"), invalid),
        (chunked(&"1".repeat(5000)), invalid),
        (answer("200 OK\r\nContent-Length: 1, 2", "x"), invalid),
        (
            answer(&format!("200 OK\r\nX: {}", "y".repeat(100_000)), ""),
            invalid,
        ),
        (
            answer(&format!("200 OK{}", "\r\nX: y".repeat(101)), ""),
            invalid,
        ),
        (Answer::Last(b"SSH-2.0-x\r\n".into()), invalid),
    ] {
        let text = body_of(answer).unwrap_err();
        assert!(text.starts_with(error), "{text}, expected {error}");
    }
}

#[test]
fn a_get_is_sent_again_when_the_server_closed_the_kept_connection() {
    let answers = || {
        vec![
            answer("200 OK\r\nContent-Length: 2", "ok"),
            Answer::Last(Vec::new()),
            answer("200 OK\r\nContent-Length: 2", "ok"),
        ]
    };
    let client = clients(None, None, None).public().unwrap();
    let (address, requests) = server(None, answers());
    let at = url(&format!("http://{address}/"));
    for _request in 0..2 {
        assert_eq!(get(Request::get(&client, &at)), Ok((200, "ok".into())));
    }
    assert_eq!(connections(&requests), [0, 0, 1]);
    // A POST may have had its effect.
    let (address, _) = server(None, answers());
    let at = url(&format!("http://{address}/"));
    let post = || get(Request::post(&client, &at, Vec::new()));
    assert_eq!(post(), Ok((200, "ok".into())));
    assert!(
        post()
            .unwrap_err()
            .ends_with("the connection was closed early")
    );
}

#[test]
fn at_most_five_redirects_are_followed() {
    let to = |location| {
        answer(
            &format!("302 Found\r\nContent-Length: 0\r\nLocation: {location}"),
            "",
        )
    };
    let ok = answer("200 OK\r\nContent-Length: 2", "ok");
    let (ca, config) = tls(&TLS13);
    for (redirects, expected) in [
        (5, Ok((200, "ok".to_string()))),
        (6, Err("redirected more than 5 times".to_string())),
    ] {
        let answers = [vec![to("next?x"); redirects], vec![ok.clone()]].concat();
        let (address, requests) = server(Some(config.clone()), answers);
        let client = clients(None, None, Some(ca.clone())).public().unwrap();
        let at = url(&format!("https://{address}/a/b"));
        let got = get(Request::get(&client, &at));
        assert_eq!(got, expected.map_err(|error| format!("{at}: {error}")));
        let requests = requests.lock().unwrap();
        assert!(requests[1].1.starts_with("GET /a/next?x HTTP/1.1\r\n"));
    }
}

#[test]
fn https_goes_through_the_proxy() {
    let ok = answer("200 OK\r\nContent-Length: 2", "ok");
    let (ca, config) = tls(&TLS13);
    let (address, _) = server(Some(config.clone()), vec![ok]);
    let at = url(&format!("https://{address}/"));
    let get = |proxy: &str, no_proxy| {
        let client = clients(Some(proxy), no_proxy, Some(ca.clone())).public();
        get(Request::get(&client.unwrap(), &at))
    };
    let (tunnel, requests) = proxy("200 Connection established", usize::MAX);
    let with_user = format!("http://u:p%40@{tunnel}");
    assert_eq!(get(&with_user, None), Ok((200, "ok".into())));
    assert_eq!(get(&with_user, Some("127.0.0.0/8")), Ok((200, "ok".into())));
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    let expected = format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\nProxy-Authorization: Basic dTpwQA==\r\n\r\n"
    );
    assert_eq!(requests[0].1, expected);

    let (tunnel, requests) = tls_proxy(config);
    let with_tls = format!("https://{tunnel}");
    assert_eq!(get(&with_tls, None), Ok((200, "ok".into())));
    assert_eq!(connections(&requests), [0]);

    let (refusing, _) = proxy("407 Proxy Authentication Required", 0);
    let error = get(&refusing, None).unwrap_err();
    assert!(
        error.ends_with("the proxy wants another user or password"),
        "{error}"
    );
    let (refusing, _) = proxy("502 Bad Gateway", 0);
    let error = get(&refusing, None).unwrap_err();
    assert!(
        error.ends_with("the proxy answers 502 Bad Gateway"),
        "{error}"
    );
}

#[test]
fn the_k3s_server_is_reached_through_the_proxy_only_where_that_is_allowed() {
    let ok = answer("200 OK\r\nContent-Length: 2", "ok");
    let (_, config) = tls(&TLS13);
    let (address, _) = server(Some(config), vec![ok]);
    let (tunnel, requests) = proxy("200 Connection established", usize::MAX);
    let mut clients = clients(Some(&tunnel), None, None);
    let url = url(&format!("https://{address}/"));
    for (allowed, tunnels) in [(false, 0), (true, 1)] {
        if allowed {
            clients.allow_proxy_to_server();
        }
        let client = clients.unverified().unwrap();
        assert_eq!(get(Request::get(&client, &url)), Ok((200, "ok".into())));
        assert_eq!(requests.lock().unwrap().len(), tunnels);
    }
}

/// A server that sends a byte of a TLS record now and then is as silent as one that sends nothing:
/// no byte of the record can be used before the last one came.
#[test]
fn a_record_that_comes_too_slowly_times_out() {
    let body = "x".repeat(40_000);
    let ok = answer("200 OK\r\nContent-Length: 40000", &body);
    let (ca, config) = tls(&TLS13);
    let (address, _) = server(Some(config), vec![ok]);
    let (slow, _) = proxy("200 OK", 20_000);
    let mut clients = clients(Some(&slow), None, Some(ca));
    clients.timeouts.stall = Duration::from_secs(1);
    let client = clients.public().unwrap();
    let error = get(Request::get(&client, &url(&format!("https://{address}/")))).unwrap_err();
    assert!(
        error.ends_with("timed out while waiting for data"),
        "{error}"
    );
}
