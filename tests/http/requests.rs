//! What a request carries, and how long a proxy's answer may be.

use crate::servers::{Answer, answer, server};
use crate::{clients, get, url};
use muster::http::Request;

#[test]
fn a_request_carries_its_body_and_an_error_its_explanation() {
    let answers = vec![
        answer("200 OK\r\nContent-Length: 2", "ok"),
        answer("403 Forbidden\r\nContent-Length: 4", "why?"),
        Answer::Last(Vec::new()),
    ];
    let (address, requests) = server(None, answers);
    let client = clients(None, None, None).public().unwrap();
    let at = url(&format!("http://{address}/"));
    let post = || Request::post(&client, &at, b"body".into()).header("X", "a\tb");
    assert_eq!(post().body_or_refusal(100).ok().unwrap(), b"ok");
    let refusal = post().body_or_refusal(100).err().unwrap();
    assert_eq!(refusal.failure.status(), Some(403));
    assert_eq!(refusal.explanation, b"why?");
    let refusal = post().body_or_refusal(100).err().unwrap();
    assert_eq!(refusal.failure.status(), None);
    assert_eq!(refusal.explanation, b"");
    let requests = requests.lock().unwrap();
    assert!(requests[0].1.contains("X: a\tb\r\nContent-Length: 4\r\n"));
    // The server reads no bodies, so the first one stands before the second request.
    assert!(requests[1].1.starts_with("bodyPOST / "));
    let unsendable = Request::get(&client, &at).header("X", "a\r\nY: b");
    let error = get(unsendable).unwrap_err();
    assert!(error.ends_with("the header X has a character that cannot be sent"));
}

#[test]
fn an_answer_of_a_proxy_that_does_not_end_is_too_long() {
    let long = |len: usize| format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(len - 20)).into_bytes();
    let max = 16 * 1024;
    for (len, expected) in [
        (max, "the connection was closed early"),
        (max + 1, "the proxy's answer is too long"),
    ] {
        let (proxy, _) = server(None, vec![Answer::Last(long(len))]);
        let client = clients(Some(&proxy), None, None).public().unwrap();
        let error = get(Request::get(&client, &url("https://192.0.2.1/"))).unwrap_err();
        assert!(error.ends_with(expected), "{len}: {error}");
    }
}
