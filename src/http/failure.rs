//! What a failed request means: try again, or not.

use anyhow::anyhow;
use reqwest::Url;
use reqwest::blocking::Response;
use reqwest::header::RETRY_AFTER;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

/// The most of a URL that is shown (bytes).
const SHOWN: usize = 300;

/// A request that did not bring what was asked for.
#[derive(Debug)]
pub enum Failure {
    /// Trying again later may help; not before `retry_after`, when the server named a time.
    Transient {
        error: anyhow::Error,
        retry_after: Option<Duration>,
        status: Option<u16>,
    },
    /// Asking the same again will be answered the same.
    Permanent {
        error: anyhow::Error,
        status: Option<u16>,
    },
}

impl Failure {
    pub fn transient(error: anyhow::Error) -> Failure {
        Failure::Transient {
            error,
            retry_after: None,
            status: None,
        }
    }

    pub fn permanent(error: anyhow::Error) -> Failure {
        Failure::Permanent {
            error,
            status: None,
        }
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Failure::Transient { status, .. } | Failure::Permanent { status, .. } => *status,
        }
    }

    /// For servers whose no of this moment is not their last word.
    pub fn into_transient(self) -> Failure {
        match self {
            Failure::Permanent { error, status } => Failure::Transient {
                error,
                retry_after: None,
                status,
            },
            transient => transient,
        }
    }

    pub fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent { error, .. } => error,
        }
    }

    /// For an answer whose status is no success. Which statuses pass by themselves: the ones that curl retries.
    pub fn of_status(response: &Response) -> Failure {
        let status = response.status();
        // Without its query: a redirect's is signed and another at each attempt, and the log has a line for each new text. The rest
        // is the server's to choose too, and a log in memory is no place for a long one.
        let mut url = response.url().clone();
        url.set_query(None);
        let url = url.as_str();
        let error = anyhow!("{} answers {status}", url.get(..SHOWN).unwrap_or(url));
        match status.as_u16() {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                let header = response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok());
                let retry_after = header.and_then(|text| retry_after(text, SystemTime::now()));
                Failure::Transient {
                    error,
                    retry_after,
                    status: Some(status.as_u16()),
                }
            }
            code => Failure::Permanent {
                error,
                status: Some(code),
            },
        }
    }

    /// For a request without an answer, or one whose answer broke off.
    pub fn of_connection(url: &Url, error: &(dyn Error + 'static)) -> Failure {
        Failure::transient(anyhow!("{url}: {}", explain(error)))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::permanent(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent { error, .. } => {
                write!(f, "{error:#}")
            }
        }
    }
}

/// The innermost of an error's causes, which says what happened; the layers round it say who noticed.
fn explain(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reqwest) = error.downcast_ref::<reqwest::Error>()
            && reqwest.is_timeout()
        {
            return if reqwest.is_connect() {
                "no answer to the connection".into()
            } else {
                "no byte came for too long".into()
            };
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return explain_tls(tls);
        }
        innermost = error.to_string();
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return "the connection broke off".into();
            }
            // Asked for its source, an io::Error passes over what it wraps; and it may wrap another.
            Some(error) => error
                .get_ref()
                .map(|wrapped| wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    innermost
}

/// Length of the day in a date (bytes): `Thu, 01 Jan 1970`.
const DAY: usize = 16;

fn explain_tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    // The day alone, which tells 1970: a text that changes each second would be a line in the log for each attempt.
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
                "the server's certificate is signed by a CA that is not trusted here".into()
            }
            bad => format!("the server's certificate is bad: {bad:?}"),
        },
        error => format!("TLS: {error}"),
    }
}

/// What `Retry-After` asks for, in seconds or as a date (RFC 9110, 10.2.3); `None` when it cannot be read.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text.trim())
            .ok()?
            .duration_since(now)
            .ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(60))
        );
        for text in [
            "",
            "-1",
            "soon",
            "1e9",
            "99999999999999999999",
            "Sun, 06 Nov 1993 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }

    #[test]
    fn the_innermost_cause_speaks() {
        let url = Url::parse("https://a/").unwrap();
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
        // As it comes out of a handshake: wrapped twice.
        let wrapped = io::Error::other(io::Error::other(tls));
        let text = Failure::of_connection(&url, &wrapped).to_string();
        assert!(
            text.starts_with(
                "https://a/: the server's certificate is not valid yet (this board's clock says "
            ),
            "{text}"
        );
    }
}
