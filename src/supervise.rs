//! Runs the boot under OpenRC's supervision. After a failure all steps are tried again: after a
//! pause that grows with each failure, or at once when the operator changes one of the watched
//! files.

use crate::boot::{self, Run};
use crate::host::Host;
use crate::life::pause::Pause;
use crate::logging;
use crate::paths;
use crate::settings::Settings;
use anyhow::Result;

/// Repeats the boot until it succeeds: then this process has become `k3s agent`. `load` reads the
/// settings and sets up the log. `conf` is the path of the settings file.
pub fn run(host: &Host, conf: &str, load: impl Fn() -> Result<Settings>) {
    // An earlier muster process may have been killed during its pause. Wait for the rest of it.
    let mut pause = Pause::read(host);
    if pause.is_some() {
        // This only sets up the log. An error in the settings is reported after the pause, when the
        // settings are loaded again.
        let _ = load();
    }
    loop {
        if let Some(pause) = pause {
            pause.wait(host);
        }
        let settings = load();
        let files = files(settings.as_ref().ok(), conf);
        let run = Run {
            conf,
            steps: &[],
            supervised: true,
        };
        let result = settings.and_then(|settings| boot::run(host, &settings, &run));
        host.limit_run(None);
        let Err(error) = result else { return };
        let error = logging::one_line(&error);
        let next = Pause::begin(host, &files);
        let seconds = next.until.saturating_sub(host.uptime()).as_secs();
        let files = files.join(" or ");
        logging::print_error(&format!(
            "{error}; the next try comes in {seconds} s, or when {files} changes"
        ));
        host.report(|status| status.failed(&error, Some(next.until)));
        pause = Some(next);
    }
}

/// The watched files: those in which the operator may correct the cause of a failure.
fn files(settings: Option<&Settings>, conf: &str) -> Vec<String> {
    let secrets = settings.map_or(vec![paths::TOKEN.into()], Settings::secret_files);
    std::iter::once(conf.into()).chain(secrets).collect()
}
