use super::*;

fn framing(text: &str) -> Option<Framing> {
    let text = format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\n");
    let (head, len) = Head::parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(len, text.len());
    head.framing("GET").ok()
}

#[test]
fn the_length_of_a_body_is_unambiguous() {
    let length = |n| Some(Framing::Length(n));
    for (headers, expected) in [
        ("Content-Length: 5", length(5)),
        ("content-length: 5, 5", length(5)),
        ("Content-Length: 5\r\nContent-Length: 5", length(5)),
        ("Content-Length: 5\r\nContent-Length: 6", None),
        ("Content-Length: +5", None),
        ("Content-Length: -5", None),
        ("Content-Length: 99999999999999999999", None),
        ("Content-Length:", None),
        ("Transfer-Encoding: chunked", Some(Framing::Chunked)),
        // The length is ignored, as RFC 9112 says.
        (
            "Content-Length: 5\r\nTransfer-Encoding: gzip, Chunked",
            Some(Framing::Chunked),
        ),
        ("Transfer-Encoding: gzip", Some(Framing::UntilEnd)),
        ("X: y", Some(Framing::UntilEnd)),
    ] {
        assert_eq!(framing(headers), expected, "{headers}");
    }
    let none = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n";
    let (head, _) = Head::parse(none).unwrap().unwrap();
    assert_eq!(head.framing("GET").ok(), length(0));
}

#[test]
fn a_connection_is_kept_unless_the_server_says_otherwise() {
    let keeps = |head: &str| {
        Head::parse(head.as_bytes())
            .unwrap()
            .unwrap()
            .0
            .keeps_connection()
    };
    assert!(keeps("HTTP/1.1 200 OK\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"));
    assert!(!keeps("HTTP/1.0 200 OK\r\n\r\n"));
    assert!(keeps("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n"));
}

#[test]
fn headers_are_text_in_any_case() {
    let head = "HTTP/1.1 404 What\r\nETag:  \"a\" \r\nLocation: \u{e9}\r\n\r\n";
    let (head, _) = Head::parse(head.as_bytes()).unwrap().unwrap();
    assert_eq!(head.header("etag"), Some("\"a\""));
    assert_eq!(head.header("location"), None);
    assert_eq!(head.status.to_string(), "404 Not Found");
    assert!(Head::parse(b"HTTP/1.1 200 OK\r\nA: b").unwrap().is_none());
    assert!(Head::parse(b"SSH-2.0-OpenSSH\r\n").is_err());
}
