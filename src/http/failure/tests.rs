use super::*;
use std::io;

#[test]
fn a_server_that_is_overloaded_or_silent_is_in_distress() {
    let url = Url::parse("https://a/").unwrap();
    let silent = crate::http::connection::Deadline::for_data(Default::default()).passed();
    let far = crate::http::connection::Deadline::to_connect(Default::default()).passed();
    assert!(Failure::of_connection(&url, &silent).is_distress());
    assert!(!Failure::of_connection(&url, &far).is_distress());
    for (status, distress) in [(429, true), (503, true), (504, true), (500, false)] {
        let failure = Failure::Transient {
            error: anyhow!("no"),
            retry_after: None,
            status: Some(status),
        };
        assert_eq!(failure.is_distress(), distress, "{status}");
    }
}

#[test]
fn the_innermost_cause_speaks() {
    let url = Url::parse("https://a/").unwrap();
    let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
    // A failed handshake wraps the TLS error twice.
    let wrapped = io::Error::other(io::Error::other(tls));
    let failure = Failure::of_connection(&url, &wrapped);
    assert!(failure.is_about_dates());
    let text = failure.to_string();
    assert!(
        text.starts_with(
            "https://a/: the server's certificate is not valid yet (this board's clock says "
        ),
        "{text}"
    );
    let other = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert!(!Failure::of_connection(&url, &io::Error::other(other)).is_about_dates());
}
