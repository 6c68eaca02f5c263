//! Says in a few words why a connection failed.

use std::error::Error;
use std::io;
use std::time::SystemTime;

/// Describes an error by its innermost cause, which says what happened. The errors that wrap this
/// cause only say where the cause was noticed. Also returns whether the dates of a certificate are
/// the cause.
pub(super) fn explain(error: &(dyn Error + 'static)) -> (String, bool) {
    let mut innermost = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return (explain_tls(tls), is_about_dates(tls));
        }
        innermost = error.to_string();
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return ("the connection was closed early".into(), false);
            }
            // `source` of an io::Error does not return the error that the io::Error wraps, so
            // `get_ref` is used. The wrapped error may wrap another error.
            Some(error) => error
                .get_ref()
                .map(|wrapped| wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    (innermost, false)
}

fn is_about_dates(error: &rustls::Error) -> bool {
    use rustls::CertificateError as Bad;
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. }
        )
    )
}

/// The length of an HTTP date without the time of day (bytes): `Thu, 01 Jan 1970`.
const DAY: usize = 16;

fn explain_tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    // Only the date is shown. With the time of day, the message would be different at each attempt,
    // and each message that differs from the previous message becomes a line in the log.
    let clock = || {
        format!(
            "this board's clock says {}",
            &httpdate::fmt_http_date(SystemTime::now())[..DAY]
        )
    };
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                format!("the server's certificate has expired ({})", clock())
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                format!("the server's certificate is not valid yet ({})", clock())
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another name".into()
            }
            Bad::UnknownIssuer => {
                "the server's certificate is signed by a CA that this board does not trust".into()
            }
            bad => format!("the server's certificate is bad: {bad:?}"),
        },
        error => format!("TLS: {error}"),
    }
}
