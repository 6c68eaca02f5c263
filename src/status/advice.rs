//! Finds out from the status of the boot what the operator should do.

use serde_json::Value;

/// What the operator should do.
pub(super) fn advice(status: &Value, steps: &[Value]) -> String {
    let step_in = |state: &str| {
        let step = steps.iter().find(|step| step["state"] == state)?;
        step["step"].as_str()
    };
    if status["next_try"].is_number() {
        return "solve the problem that `failed` shows; muster tries again by itself, and at once when \
                the settings or the token change"
            .into();
    }
    if status["last_error"].is_string() {
        return "solve the problem that `failed` shows, then run: rc-service muster restart".into();
    }
    if let Some(step) = step_in("killed") {
        return format!(
            "muster was killed in the step {step}: read /var/log/muster.log, then run: \
             rc-service muster restart"
        );
    }
    if let Some(step) = step_in("waiting") {
        return format!("solve the problem of the step {step}; muster goes on by itself then");
    }
    if step_in("running").is_some() {
        return "nothing: the boot is under way".into();
    }
    match (status["joined"].is_number(), status["pid"].as_u64()) {
        (true, Some(pid)) => format!("nothing: k3s runs as process {pid}"),
        (true, None) => "k3s has ended: if OpenRC does not restart it in a few seconds, run: \
                         rc-service muster restart"
            .into(),
        (false, _) => "start the boot: rc-service muster start".into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::status::Status;
    use crate::status::shown::{current, table};
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_operator_is_told_what_to_do() {
        let mut status = Status::default();
        status.begin(["join"].into_iter());
        let to_do = |status: &Status, runs: bool| {
            let text = current(&status.to_json(), MS(85_000), |_| runs).unwrap();
            table(&text)
                .unwrap()
                .rsplit_once("to do     ")
                .unwrap()
                .1
                .to_string()
        };
        assert_eq!(
            to_do(&status, false),
            "start the boot: rc-service muster start\n"
        );
        status.start("join", MS(1));
        assert!(to_do(&status, false).starts_with("muster was killed in the step join"));
        status.end("join", MS(2), None);
        status.join(MS(3));
        let pid = std::process::id();
        assert_eq!(
            to_do(&status, true),
            format!("nothing: k3s runs as process {pid}\n")
        );
        assert!(to_do(&status, false).starts_with("k3s has ended"));
        status.failed("join: cannot run k3s", None);
        assert!(to_do(&status, true).contains("rc-service muster restart"));
        status.failed("join: cannot run k3s", Some(MS(100_000)));
        assert!(to_do(&status, true).contains("tries again by itself"));
        let text = current(&status.to_json(), MS(85_000), |_| true).unwrap();
        let text = table(&text).unwrap();
        assert!(
            text.contains("\nfailed    join: cannot run k3s\nnext try  in 15 s\n"),
            "{text}"
        );
    }
}
