//! Describes why an HTTP request failed, and decides whether a retry may succeed.

use super::connection::NO_DATA;
use super::explain::explain;
use super::headers::retry_after;
use super::response::Response;
use anyhow::anyhow;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};
use url::Url;

/// The longest URL in the message of [`Failure::of_status`] (bytes). A longer URL is cut.
const URL_SHOWN: usize = 300;

/// Why a request failed. `status` is the HTTP status of the answer, if the request failed because
/// of this status.
#[derive(Debug)]
pub enum Failure {
    /// A later attempt may succeed. `retry_after` is the wait that the server asked for in
    /// `Retry-After`.
    Transient {
        error: anyhow::Error,
        retry_after: Option<Duration>,
        status: Option<u16>,
    },
    /// A retry would fail in the same way.
    Permanent {
        error: anyhow::Error,
        status: Option<u16>,
    },
}

impl Failure {
    /// A transient failure without an HTTP status.
    pub fn transient(error: anyhow::Error) -> Failure {
        Failure::Transient {
            error,
            retry_after: None,
            status: None,
        }
    }

    /// A permanent failure without an HTTP status.
    pub fn permanent(error: anyhow::Error) -> Failure {
        Failure::Permanent {
            error,
            status: None,
        }
    }

    /// The HTTP status of the answer, if the request failed because of this status.
    pub fn status(&self) -> Option<u16> {
        match self {
            Failure::Transient { status, .. } | Failure::Permanent { status, .. } => *status,
        }
    }

    /// Makes a permanent failure transient, for servers that answer with an error while they start.
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

    /// Changes the error and keeps the other fields.
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

    /// Whether the request failed because of the dates of a certificate. Then this board's clock
    /// may be wrong.
    pub fn is_about_dates(&self) -> bool {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent { error, .. } => {
                error.is::<WrongDates>()
            }
        }
    }

    /// Whether the server seems overloaded or not ready: it answered with the status 429, 503 or
    /// 504, or it accepted the connection but did not answer in time. A k3s server computes a slow
    /// hash (scrypt) for each request with a password, even for a request that the server then
    /// refuses because of overload. So after such a failure the delays between attempts grow longer
    /// than usual.
    pub fn is_distress(&self) -> bool {
        match self {
            Failure::Transient { error, status, .. } => {
                matches!(status, Some(429 | 503 | 504)) || error.is::<NoData>()
            }
            Failure::Permanent { .. } => false,
        }
    }

    /// The error alone, when it does not matter whether a retry may succeed.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent { error, .. } => error,
        }
    }

    /// The failure for an answer with an error status. It is transient when the status may be
    /// different at a later attempt, and permanent for all other statuses.
    pub fn of_status(response: &Response) -> Failure {
        let status = response.status();
        // The message shows the URL without its query. The target of a redirect often has a new
        // signature in the query at each attempt, and each message that differs from the previous
        // message becomes a line in the log. A long URL is cut, because a server can redirect to
        // any URL, and the log is kept in memory.
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

    /// The failure for an error while connecting, sending the request or receiving the answer.
    pub fn of_connection(url: &Url, error: &(dyn Error + 'static)) -> Failure {
        let (cause, is_about_dates) = explain(error);
        let message = format!("{url}: {cause}");
        Failure::transient(if is_about_dates {
            WrongDates(message).into()
        } else if cause == NO_DATA {
            NoData(message).into()
        } else {
            anyhow!(message)
        })
    }
}

/// The error when a connection was made, but the request could not be sent in time, or the next
/// bytes of the answer did not come in time.
#[derive(Debug)]
struct NoData(String);

impl fmt::Display for NoData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NoData {}

/// The error when the dates of a certificate are the cause of a failure.
#[derive(Debug)]
pub struct WrongDates(pub String);

impl fmt::Display for WrongDates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongDates {}

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

#[cfg(test)]
mod tests;
