//! Explains the error answers of a k3s server, with the remedy for the operator.
//!
//! The function names in the comments are from the source code of k3s 1.34 to 1.37. Where k3s 1.21
//! answers in another way, the comment says so.

use crate::http::Failure;
use crate::http::ca::Untrusted;
use crate::http::failure::WrongDates;
use crate::http::request::Refusal;
use anyhow::anyhow;
use url::Url;

/// The longest text from a server that a message shows (characters).
const SHOWN: usize = 200;

/// The remedy for a wrong token. It names `agent-token`, because a server that was started with
/// `--agent-token` refuses the token in its file `node-token`.
const TOKEN_REMEDY: &str = "copy the token for agents (on the server: \
                            /var/lib/rancher/k3s/server/agent-token) to the board's token file";

/// The failure when the answer of `/cacerts` is not the CA that the join token pins.
pub(super) fn untrusted(url: &Url, why: Untrusted) -> Failure {
    match why {
        // A retry can help, because muster asks the time servers again before the next attempt.
        Untrusted::NotNow => Failure::transient(WrongDates(format!("{url}: {why}")).into()),
        Untrusted::NotTheRoot => Failure::permanent(anyhow!(
            "{url}: {why}: on the server, put the certificates in \
             /var/lib/rancher/k3s/server/tls/server-ca.crt in order: first the CA that signs the \
             server's certificate, and last the root CA"
        )),
        Untrusted::Unreadable | Untrusted::OtherCa => Failure::permanent(anyhow!(
            "{url}: {why}: the token is from another cluster, or the server's CA was changed, or \
             this is not your server; in the first two cases, {TOKEN_REMEDY}"
        )),
    }
}

/// The failure when the server refuses to issue a client certificate. `name` is the name of the
/// node that the certificate is for; it is `None` for the certificate of the kube-proxy.
pub(super) fn of_certificate(url: &Url, refusal: Refusal, name: Option<&str>) -> Failure {
    let why = explanation(&refusal.explanation);
    let detail = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    match (refusal.failure.status(), name) {
        // `doAuth` and `basicauth` answer 401 when the token's password is wrong.
        (Some(401), _) => Failure::permanent(anyhow!(
            "{url}: the server does not accept the join token: the token is wrong, or was changed \
             on the server; {TOKEN_REMEDY}"
        )),
        // `VerifyHash` (package `hash`) returns this text when the node password is wrong. No other
        // 403 has this text.
        (Some(403), Some(name)) if why.contains("hash does not match") => {
            Failure::permanent(password_rejected(url, name))
        }
        // `doAuth` answers `forbidden` (k3s 1.21: an empty body) when no authenticator knows the
        // credentials. A retry can help: only the API server knows bootstrap tokens, and it may
        // still be starting.
        (Some(403), _) if why == "forbidden" || refusal.explanation.is_empty() => {
            refusal.failure.into_transient().map_error(|_| {
                anyhow!(
                    "{url}: the server does not know the join token yet (403 forbidden): the \
                     server's API is still starting, or this server runs only etcd, or the token \
                     is a bootstrap token that has expired (to list these tokens, run on the server: \
                     k3s token list)"
                )
            })
        }
        // `verifyHash` (package `nodepassword`) also leads to a 403 when the server cannot read the
        // secret with the node's password. A proxy may answer 403 too.
        (Some(403), Some(name)) => refusal.failure.into_transient().map_error(|_| {
            anyhow!("{url}: the server cannot check the password of {name} now (403){detail}")
        }),
        (Some(403), None) => refusal
            .failure
            .into_transient()
            .map_error(|_| anyhow!("{url}: the server refuses this request (403){detail}")),
        _ if why.is_empty() => refusal.failure,
        // `getNodeInfo` (400), `ErrCoreNotReady` (503), `SendError` (500) and others send a text,
        // which is added to the message.
        _ => refusal
            .failure
            .map_error(|error| anyhow!("{error}{detail}")),
    }
}

/// The failure when the server refuses to tell its version, although the request had the client
/// certificate that this server issued.
pub(super) fn of_version(url: &Url, refusal: Refusal) -> Failure {
    let why = explanation(&refusal.explanation);
    let failure = refusal.failure;
    match failure.status() {
        Some(401) => failure.into_transient().map_error(|_| anyhow!(
            "{url}: the server did not see this board's client certificate (401): a load balancer \
             in front of the server must pass TLS through (layer 4)"
        )),
        // A retry can help after every other answer. For example, the API server answers 403 for
        // some seconds after its start, until its RBAC roles exist.
        _ if why.is_empty() => failure.into_transient(),
        _ => failure
            .into_transient()
            .map_error(|error| anyhow!("{error}: {why}")),
    }
}

/// Whether the answer says that this server is etcd-only: it never runs an API server (`APIServer`,
/// `ErrAPIDisabled`).
pub(super) fn is_etcd_only(refusal: &Refusal) -> bool {
    refusal.failure.status() == Some(503)
        && explanation(&refusal.explanation).contains("apiserver disabled")
}

fn password_rejected(url: &Url, name: &str) -> anyhow::Error {
    anyhow!(
        "{url}: the server has another node password for {name}; if no other board has this name, \
         delete this password on the server (kubectl -n kube-system delete secret \
         {name}.node-password.k3s), or delete the node, which deletes this password too (kubectl \
         delete node {name}); if two boards have this name, raise MUSTER_HOSTNAME_LENGTH"
    )
}

/// Returns the explanation in the body of an error answer: the `message` of a Kubernetes status, or
/// the whole body from an older server. The result is one line of at most [`SHOWN`] characters.
fn explanation(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let status = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message"));
    let text = message.and_then(|text| text.as_str()).unwrap_or(&text);
    if text.trim_start().starts_with('<') {
        // k3s sends no web pages, so this page is from a proxy and explains nothing.
        return String::new();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
