//! Which k3s the stand-in is, which state its server is in, and what stands in front of it. Each is
//! chosen by an environment variable (`README.md`).

use crate::http::{Request, Response};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A release line, as far as agents see a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Errors are plain text, and signing requests are not read (`pkg/server/router.go` of 1.21).
    V1_21,
    /// Errors are Kubernetes statuses (`pkg/util/apierrors.go`), and signing requests are signed
    /// (`signAndSend` in `pkg/server/handlers/handlers.go`).
    V1_34,
    /// To an agent the same as 1.34, by the sources of both.
    V1_37,
}

impl Kind {
    pub fn from_env() -> Result<Self> {
        match crate::env_var("STANDIN_KIND").as_deref() {
            Some("1.21") => Ok(Self::V1_21),
            None | Some("1.34") => Ok(Self::V1_34),
            Some("1.37") => Ok(Self::V1_37),
            Some(other) => bail!("STANDIN_KIND={other}: must be 1.21, 1.34 or 1.37"),
        }
    }

    /// The release of this line that the stand-in says it is.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_21 => "v1.21.14+k3s1",
            Self::V1_34 => "v1.34.1+k3s1",
            Self::V1_37 => "v1.37.0+k3s1",
        }
    }

    /// A refusal in the form of this release.
    pub fn refusal(self, status: u16, message: &str) -> Response {
        match self {
            Self::V1_21 => Response::text(status, message),
            Self::V1_34 | Self::V1_37 => Response::refusal(status, message),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Ready,
    /// The authenticator is not set up (`doAuth` in `pkg/server/auth/auth.go`).
    NotInitialized,
    /// The API server and the node-password controller are starting (`ErrCoreNotReady`).
    Starting,
    /// Without an API server for ever (`verifyRemotePassword` in `pkg/nodepassword/validate.go`).
    EtcdOnly,
    /// The datastore cannot be read (`verifyHash` in `pkg/nodepassword/nodepassword.go`).
    Locked,
    /// The node's secret has no hash in it (same).
    NoHash,
}

/// The state of a server, which may be another one for some time after its start.
pub struct States {
    first: State,
    until: Option<Instant>,
}

impl States {
    pub fn from_env() -> Result<Self> {
        let first = match crate::env_var("STANDIN_STATE").as_deref() {
            None | Some("ready") => State::Ready,
            Some("not-initialized") => State::NotInitialized,
            Some("starting") => State::Starting,
            Some("etcd-only") => State::EtcdOnly,
            Some("locked") => State::Locked,
            Some("no-hash") => State::NoHash,
            Some(other) => bail!("STANDIN_STATE={other}: there is no such state"),
        };
        let time = crate::env_number("STANDIN_STATE_MS")?.map(Duration::from_millis);
        Ok(Self {
            first,
            until: time.map(|time| Instant::now() + time),
        })
    }

    pub fn now(&self) -> State {
        match self.until {
            Some(until) if Instant::now() >= until => State::Ready,
            _ => self.first,
        }
    }
}

/// A load balancer in front of the server that ends TLS itself.
#[derive(Default)]
pub struct Front {
    drops_client_certificates: bool,
    /// What it answers by itself.
    refuses: Rules<u16>,
    /// The files from which it takes its answers.
    from_files: Rules<PathBuf>,
}

/// Method and path of requests, and what the answer to each is made from.
type Rules<T> = Vec<(String, String, T)>;

/// What the answer to the request is made from; `None` when no rule is for this request.
fn rule<'a, T>(rules: &'a Rules<T>, request: &Request) -> Option<&'a T> {
    let path = request.path()?;
    let mut rules = rules.iter();
    let found = rules.find(|rule| rule.0 == request.method && rule.1 == path);
    found.map(|(_, _, answer)| answer)
}

impl Front {
    pub fn from_env() -> Result<Self> {
        let mut front = Self::default();
        let text = crate::env_var("STANDIN_FRONT").unwrap_or_default();
        for rule in text
            .split(';')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
        {
            match rule.split_whitespace().collect::<Vec<_>>()[..] {
                ["no-client-certificates"] => front.drops_client_certificates = true,
                [method, path, file] if file.starts_with('/') => {
                    let rule = (method.into(), path.into(), file.into());
                    front.from_files.push(rule);
                }
                [method, path, status] => {
                    let status = status.parse().context("STANDIN_FRONT")?;
                    front.refuses.push((method.into(), path.into(), status));
                }
                _ => bail!("STANDIN_FRONT={rule}: must be METHOD PATH STATUS or FILE"),
            }
        }
        Ok(front)
    }

    /// The client certificate that reaches the server.
    pub fn pass(&self, client: Option<String>) -> Option<String> {
        client.filter(|_| !self.drops_client_certificates)
    }

    /// All bytes that the balancer answers in place of the server, whether they are HTTP or not. The
    /// server itself answers while there is no such file.
    pub fn bytes(&self, request: &Request) -> Option<Vec<u8>> {
        std::fs::read(rule(&self.from_files, request)?).ok()
    }

    /// What the balancer answers in place of the server.
    pub fn refuse(&self, request: &Request) -> Option<Response> {
        let status = rule(&self.refuses, request)?;
        let page = format!("<html><head><title>{status}</title></head><body></body></html>\n");
        let mut response = Response::text(*status, page);
        response.headers = vec![("Content-Type", "text/html".into())];
        Some(response)
    }
}
