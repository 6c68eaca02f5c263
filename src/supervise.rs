//! The boot under supervision: a failure is never the end and never a storm. The whole list is tried
//! again after a pause that grows, or at once when the operator changed what it read.

use crate::boot::{self, Run};
use crate::host::Host;
use crate::life::pause::Pause;
use crate::paths;
use crate::settings::Settings;
use anyhow::Result;

/// Runs the boot until this process is `k3s agent`. `load` reads the settings, `conf` is their file,
/// and `log` shows an error.
pub fn run(
    host: &Host,
    conf: &str,
    load: impl Fn() -> Result<Settings>,
    log: impl Fn(&anyhow::Error) -> String,
) {
    // The process before this one may have been killed while it waited.
    let mut pause = Pause::read(host);
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
        let error = log(&error);
        let next = Pause::begin(host, &files);
        log::warn!(
            "the next try comes in {} s, or when {} changes",
            next.until.saturating_sub(host.uptime()).as_secs(),
            files.join(" or ")
        );
        host.report(|status| status.failed(&error, Some(next.until)));
        pause = Some(next);
    }
}

/// The files whose change may heal a failure.
fn files(settings: Option<&Settings>, conf: &str) -> Vec<String> {
    let secrets = settings.map_or(vec![paths::TOKEN.into()], Settings::secret_files);
    std::iter::once(conf.into()).chain(secrets).collect()
}
