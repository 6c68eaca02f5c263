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

#[test]
fn a_status_is_told_apart_by_its_first_digit_and_shown_with_its_name() {
    const NAMES: &str = "200 OK|204 No Content|206 Partial Content|301 Moved Permanently|\
        302 Found|303 See Other|304 Not Modified|307 Temporary Redirect|308 Permanent Redirect|\
        400 Bad Request|401 Unauthorized|403 Forbidden|404 Not Found|405 Method Not Allowed|\
        407 Proxy Authentication Required|408 Request Timeout|410 Gone|\
        416 Range Not Satisfiable|425 Too Early|429 Too Many Requests|\
        451 Unavailable For Legal Reasons|500 Internal Server Error|501 Not Implemented|\
        502 Bad Gateway|503 Service Unavailable|504 Gateway Timeout";
    for code in 100..600 {
        let (status, number) = (Status(code), code.to_string());
        assert_eq!(status.is_success(), (200..300).contains(&code), "{code}");
        assert_eq!(
            status.is_redirection(),
            (300..400).contains(&code),
            "{code}"
        );
        let named = NAMES.split('|').find(|name| name.starts_with(&number));
        assert_eq!(status.to_string(), named.unwrap_or(&number));
    }
}
