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
            "muster was stopped or killed in the step {step}: read /var/log/muster.log, then run: \
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
mod tests;
