//! Failures of requests, and whether a retry may help.

use super::headers::retry_after;
use super::response::Response;
use anyhow::anyhow;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};
use url::Url;

/// The longest URL that a message shows (bytes).
const URL_SHOWN: usize = 300;

/// Why a request failed. `status` is the HTTP status, where there was an answer.
#[derive(Debug)]
pub enum Failure {
    /// A later attempt may succeed. `retry_after` is how long the server asks to wait before it.
    Transient {
        error: anyhow::Error,
        retry_after: Option<Duration>,
        status: Option<u16>,
    },
    /// Another attempt would get the same answer.
    Permanent {
        error: anyhow::Error,
        status: Option<u16>,
    },
}

impl Failure {
    /// A transient failure without an answer.
    pub fn transient(error: anyhow::Error) -> Failure {
        Failure::Transient {
            error,
            retry_after: None,
            status: None,
        }
    }

    /// A permanent failure without an answer.
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

    /// Makes a permanent failure transient, for servers that refuse while they start.
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

    /// Changes the message and keeps the rest.
    pub fn map_error(self, change: impl FnOnce(anyhow::Error) -> anyhow::Error) -> Failure {
        match self {
            Failure::Transient {
                error,
                retry_after,
                status,
            } => Failure::Transient {
                error: change(error),
                retry_after,
                status,
            },
            Failure::Permanent { error, status } => Failure::Permanent {
                error: change(error),
                status,
            },
        }
    }

    /// The error without the decision about retries.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent { error, .. } => error,
        }
    }

    /// The failure for an answer with an error status. The statuses that curl retries are transient.
    pub fn of_status(response: &Response) -> Failure {
        let status = response.status();
        // The message has no query: a redirect target has a signature there that is new at each
        // attempt, and each new message would be a line in the log. The URL is also cut, because
        // the server chooses it and the log is in memory.
        let mut url = response.url().clone();
        url.set_query(None);
        let url = url.as_str();
        let error = anyhow!("{} answers {status}", url.get(..URL_SHOWN).unwrap_or(url));
        match status.0 {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                let retry_after = response
                    .header("retry-after")
                    .and_then(|text| retry_after(text, SystemTime::now()));
                Failure::Transient {
                    error,
                    retry_after,
                    status: Some(status.0),
                }
            }
            code => Failure::Permanent {
                error,
                status: Some(code),
            },
        }
    }

    /// The failure for a connection that could not be made or was lost.
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

/// Describes an error by its innermost cause, which says what happened. The layers around it only say
/// where it was noticed.
fn explain(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return explain_tls(tls);
        }
        innermost = error.to_string();
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return "the connection was closed early".into();
            }
            // The `source` of an io::Error skips the error that it wraps, and that one may wrap
            // another.
            Some(error) => error
                .get_ref()
                .map(|wrapped| wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    innermost
}

/// The length of the day in an HTTP date (bytes): `Thu, 01 Jan 1970`.
const DAY: usize = 16;

fn explain_tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    // Only the day is shown. A text that changes each second would be a new line in the log at each
    // attempt.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_cause_speaks() {
        let url = Url::parse("https://a/").unwrap();
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
        // A failed handshake wraps the TLS error twice.
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
