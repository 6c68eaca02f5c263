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

/// The refusal with this status and body. Its failure is permanent, as that of most statuses is.
fn refusal(status: u16, body: &str) -> Refusal {
    Refusal {
        failure: Failure::Permanent {
            error: anyhow!("answers {status}"),
            status: Some(status),
        },
        explanation: body.into(),
    }
}

/// The message, and whether a retry may help.
fn told(failure: Failure) -> (String, bool) {
    let is_transient = matches!(failure, Failure::Transient { .. });
    (failure.to_string(), is_transient)
}

fn url() -> Url {
    Url::parse("https://k3s/x").unwrap()
}

#[test]
fn a_refused_certificate_is_explained_and_retried_where_that_may_help() {
    let unknown = "https://k3s/x: the server does not know the join token yet (403 forbidden): ";
    for (status, name, body, expected, is_transient) in [
        (
            401,
            None,
            "no",
            "https://k3s/x: the server does not accept the join token: ",
            false,
        ),
        (
            403,
            Some("n1"),
            "hash does not match",
            "https://k3s/x: the server has another node password for n1; ",
            false,
        ),
        (403, Some("n1"), "forbidden", unknown, true),
        (403, None, r#"{"message":"forbidden"}"#, unknown, true),
        (403, Some("n1"), "", unknown, true),
        (
            403,
            Some("n1"),
            "no secret",
            "https://k3s/x: the server cannot check the password of n1 now (403): no secret",
            true,
        ),
        (
            403,
            Some("n1"),
            "<html>",
            "https://k3s/x: the server cannot check the password of n1 now (403)",
            true,
        ),
        (
            403,
            None,
            "hash does not match",
            "https://k3s/x: the server refuses this request (403): hash does not match",
            true,
        ),
        (
            400,
            None,
            "node name not set",
            "answers 400: node name not set",
            false,
        ),
        (500, Some("n1"), "", "answers 500", false),
    ] {
        let (text, may_help) = told(of_certificate(&url(), refusal(status, body), name));
        assert!(text.starts_with(expected), "{status} {body}: {text}");
        let is_whole = !expected.ends_with([' ', ':']);
        assert!(!is_whole || text == expected, "{status} {body}: {text}");
        assert_eq!(may_help, is_transient, "{status} {body}");
    }
}

#[test]
fn a_refused_version_is_asked_for_again() {
    for (status, body, expected) in [
        (
            401,
            "Unauthorized",
            "https://k3s/x: the server did not see this board's client certificate (401): a load \
             balancer in front of the server must pass TLS through (layer 4)",
        ),
        (403, "no RBAC yet", "answers 403: no RBAC yet"),
        (404, "", "answers 404"),
    ] {
        let failure = of_version(&url(), refusal(status, body));
        assert_eq!(told(failure), (expected.into(), true));
    }
}

/// Without an answer, the cause stays known: wrong dates make the boot ask for the time again.
#[test]
fn a_failure_without_an_answer_keeps_its_cause() {
    let refusal = || Refusal {
        failure: Failure::transient(WrongDates("not valid yet".into()).into()),
        explanation: Vec::new(),
    };
    assert!(of_certificate(&url(), refusal(), Some("n1")).is_about_dates());
    assert!(of_version(&url(), refusal()).is_about_dates());
}

#[test]
fn an_etcd_only_server_says_that_it_has_no_api_server() {
    assert!(is_etcd_only(&refusal(503, "apiserver disabled")));
    assert!(!is_etcd_only(&refusal(503, "starting")));
    assert!(!is_etcd_only(&refusal(500, "apiserver disabled")));
}
