//! Finds out from the status of the boot what the operator should do.

use serde_json::Value;

/// What the operator should do.
pub(super) fn advice(status: &Value, steps: &[Value]) -> String {
    let step_in = |state: &str| {
        let step = steps.iter().find(|step| step["state"] == state)?;
        step["step"].as_str()
    };
    if status["next_try"].is_number() {
        return "solve the problem in the line `failed`; muster tries again by itself, or at once when \
                the settings file or a file with a secret changes"
            .into();
    }
    if status["last_error"].is_string() {
        return "solve the problem in the line `failed`, then run: rc-service muster restart"
            .into();
    }
    if let Some(step) = step_in("killed") {
        return format!(
            "muster was stopped or killed in the step {step}: read /var/log/muster.log, then run: \
             rc-service muster restart"
        );
    }
    if let Some(step) = step_in("waiting") {
        return format!(
            "solve the problem shown for the step {step}; then muster goes on by itself"
        );
    }
    if step_in("running").is_some() {
        return "nothing: the boot is under way".into();
    }
    match (status["joined"].is_number(), status["pid"].as_u64()) {
        (true, Some(pid)) => format!("nothing: k3s runs as process {pid}"),
        (true, None) => "k3s has ended: if OpenRC does not restart k3s in a few seconds, run: \
                         rc-service muster restart"
            .into(),
        (false, _) => "to start the boot, run: rc-service muster start".into(),
    }
}

#[cfg(test)]
mod tests;
