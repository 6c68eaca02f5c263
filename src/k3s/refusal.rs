//! What a k3s server's refusals mean, and what to do about them.
//!
//! The names in the comments are those of k3s's sources (1.34 to 1.37, and 1.21 where it differs).

use crate::http::Failure;
use crate::http::ca::Untrusted;
use crate::http::request::Refusal;
use anyhow::anyhow;
use url::Url;

/// The longest text from a server that a message shows (characters).
const SHOWN: usize = 200;

/// Where the token is that a board needs. With `--agent-token` a server refuses its `node-token`.
const TOKEN_REMEDY: &str =
    "put the server's token for agents (its file server/agent-token) on the board";

/// The answer of `/cacerts` is not the CA of the token.
pub(super) fn untrusted(url: &Url, why: Untrusted) -> Failure {
    match why {
        // The clock is set again before the next attempt.
        Untrusted::NotNow => Failure::transient(anyhow!("{url}: {why}")),
        Untrusted::NotTheRoot => Failure::permanent(anyhow!(
            "{url}: {why}: put the certificates of the server's server-ca.crt in order, from the \
             CA that signs to its root"
        )),
        Untrusted::Unreadable | Untrusted::OtherCa => Failure::permanent(anyhow!(
            "{url}: {why}: the token is another cluster's, the server's CA was changed, or this is \
             not your server; {TOKEN_REMEDY}"
        )),
    }
}

/// The server did not give the certificate of the node `name`, or of an agent where there is no name.
pub(super) fn of_certificate(url: &Url, refusal: Refusal, name: Option<&str>) -> Failure {
    let why = explanation(&refusal.explanation);
    let said = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    match (refusal.failure.status(), name) {
        // `doAuth` and `basicauth`: the password is wrong.
        (Some(401), _) => Failure::permanent(anyhow!(
            "{url}: the server does not accept the join token: it was changed or has expired; \
             {TOKEN_REMEDY}"
        )),
        // `VerifyHash`: the only 403 that is about the node's password.
        (Some(403), Some(name)) if why.contains("hash does not match") => {
            Failure::permanent(password_rejected(url, name))
        }
        // `doAuth`: no authenticator knows the credentials. A bootstrap token is known to the API
        // server alone, which may not be up yet.
        // 1.21 answers it without a body.
        (Some(403), _) if why == "forbidden" || refusal.explanation.is_empty() => refusal
            .failure
            .into_transient()
            .map_error(|_| anyhow!(
                "{url}: the server does not know the join token yet (403 forbidden): its API server \
                 is starting, or it is an etcd-only server, or the bootstrap token has expired (on \
                 the server: k3s token list)"
            )),
        // `verifyHash`: the server could not read the node's secret. A proxy may also answer 403.
        (Some(403), Some(name)) => refusal.failure.into_transient().map_error(|_| anyhow!(
            "{url}: the server cannot check the password of {name} now (403){said}"
        )),
        (Some(403), None) => refusal
            .failure
            .into_transient()
            .map_error(|_| anyhow!("{url}: the server refuses this request (403){said}")),
        _ if why.is_empty() => refusal.failure,
        // These are `getNodeInfo` (400), `ErrCoreNotReady` (503), `SendError` (500) and others.
        _ => refusal.failure.map_error(|error| anyhow!("{error}{said}")),
    }
}

/// The server does not say its version to a client with a certificate of its own.
pub(super) fn of_version(url: &Url, refusal: Refusal) -> Failure {
    let why = explanation(&refusal.explanation);
    let failure = refusal.failure;
    match failure.status() {
        Some(401) => failure.into_transient().map_error(|_| anyhow!(
            "{url}: the server did not see this board's client certificate (401): a load balancer \
             in front of it must pass TLS through (layer 4)"
        )),
        // Every other answer changes with time. For some seconds after its start the API server
        // answers 403, because its roles are not in place.
        _ if why.is_empty() => failure.into_transient(),
        _ => failure
            .into_transient()
            .map_error(|error| anyhow!("{error}: {why}")),
    }
}

/// Whether this server has no API server and never will (`APIServer`, `ErrAPIDisabled`).
pub(super) fn is_etcd_only(refusal: &Refusal) -> bool {
    refusal.failure.status() == Some(503)
        && explanation(&refusal.explanation).contains("apiserver disabled")
}

fn password_rejected(url: &Url, name: &str) -> anyhow::Error {
    anyhow!(
        "{url}: the server knows {name} by another node password; if no other board has this name, \
         run on the server: kubectl -n kube-system delete secret {name}.node-password.k3s, or \
         kubectl delete node {name}, which deletes both; if two boards have it, raise \
         MUSTER_HOSTNAME_LENGTH"
    )
}

/// Reads the `message` of a Kubernetes status; from an older server, the text itself. It is on one
/// line and not too long for a log.
fn explanation(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let status = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message"));
    let text = message.and_then(|text| text.as_str()).unwrap_or(&text);
    if text.trim_start().starts_with('<') {
        // A web page does not come from k3s.
        return String::new();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_short_and_on_one_line() {
        let said = |text: &str| explanation(text.as_bytes());
        let status = r#"{"kind":"Status","message":"runtime core\nnot ready","code":503}"#;
        assert_eq!(said(status), "runtime core not ready");
        assert_eq!(said("hash does not match\n"), "hash does not match");
        assert_eq!(said("<html><h1>403</h1></html>"), "");
        assert_eq!(said(""), "");
        assert_eq!(said(&"long ".repeat(500)).len(), SHOWN);
    }
}
