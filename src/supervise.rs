//! Runs the boot under OpenRC's supervision. After a failure all steps are tried again: after a
//! pause that grows with each failure, or at once when the operator changes the settings file or
//! one of the secret files.

use crate::boot::{self, Run};
use crate::host::Host;
use crate::host::watch::changed_file;
use crate::life::pause::Pause;
use crate::life::restart;
use crate::logging;
use crate::paths;
use crate::report::led::Led;
use crate::settings::Settings;
use anyhow::Result;
use log::{info, warn};

/// Repeats the boot until it succeeds and this process becomes `k3s agent`. `load` reads the
/// settings and sets up the log. `conf` is the path of the settings file.
pub fn run(host: &Host, conf: &str, load: impl Fn() -> Result<Settings>) {
    // An earlier muster process may have been killed during its pause: wait until that pause ends.
    let mut pause = Pause::read(host);
    if pause.is_some() {
        // This only sets up the log. An error in the settings is reported after the pause, when the
        // settings are loaded again.
        let _ = load();
    }
    loop {
        if let Some(pause) = &pause {
            pause.wait(host);
        }
        host.watch(&[conf.into()]);
        let settings = load();
        host.watch(&secret_files(settings.as_ref().ok()));
        let run = Run {
            mac: None,
            conf,
            steps: &[],
            supervised: true,
        };
        let result = match settings {
            Ok(settings) => boot::run(host, &settings, &run),
            Err(error) => run_without_settings(host, &run, error),
        };
        host.limit_run(None);
        let Err(error) = result else { return };
        let error = logging::one_line(&error);
        let files = host.end_watch();
        if let Some(file) = changed_file(host, &files) {
            info!("{error}; {file} has changed: trying again");
            pause = None;
            continue;
        }
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let names = names.join(" or ");
        // The previous pause is taken from the variable `pause` and not from
        // `/run/muster/retry.json`, which could not be written if `/run` was full.
        let next = Pause::begin(host, files, pause.as_ref());
        let seconds = next.until.saturating_sub(host.uptime()).as_secs();
        let text = format!("{error}; the next try comes in {seconds} s, or when {names} changes");
        host.report(|status| status.failed(&error, Some(next.until)));
        logging::print_error(&text);
        host.send_failure(text);
        pause = Some(next);
    }
}

/// Handles settings that cannot be read, for the reason `error`. If this node has already joined in
/// this boot, k3s is restarted from the record of this boot, because a mistake in the settings must
/// not take a joined node out of its cluster. Otherwise this function returns `error`.
fn run_without_settings(host: &Host, run: &Run, error: anyhow::Error) -> Result<()> {
    if let Some(record) = restart::by_record_alone(host) {
        logging::init_default(host);
        warn!(target: "settings", "{error:#}; so muster restarts k3s with the settings that k3s had before");
        return boot::restart_as_before(host, record);
    }
    boot::report_bad_settings(host, run);
    // The settings could not be read, so MUSTER_LED is unknown and its default is used.
    host.blink_led(&Led::Auto);
    Err(error)
}

/// The secret files that the operator may correct: those that the settings name. When the settings
/// cannot be read, this is only the default token file.
fn secret_files(settings: Option<&Settings>) -> Vec<String> {
    settings.map_or(vec![paths::TOKEN.into()], Settings::secret_files)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the change that an operator would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use anyhow::bail;
    use std::cell::Cell;
    use std::fs;
    use std::sync::mpsc::channel;

    #[test]
    fn the_default_token_file_is_watched_while_the_settings_cannot_be_read() {
        assert_eq!(secret_files(None), ["/etc/muster/token"]);
    }

    /// A boot takes minutes. The operator may correct a file after the boot has read it and before
    /// the boot fails.
    #[test]
    fn a_file_that_changed_during_the_failed_boot_is_tried_again_without_a_pause() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/conf.d")).unwrap();
        let conf = root.path().join("etc/conf.d/muster");
        fs::write(&conf, "wrong").unwrap();
        let (sender, receiver) = channel();
        let folder = root.path().to_path_buf();
        std::thread::spawn(move || {
            let host = Host::new(folder, Mode::Perform);
            let tries = Cell::new(0);
            run(&host, paths::CONF, || {
                tries.set(tries.get() + 1);
                if tries.get() == 2 {
                    sender.send(Pause::read(&host)).unwrap();
                    loop {
                        std::thread::park();
                    }
                }
                fs::write(&conf, "corrected").unwrap();
                bail!("the settings are wrong")
            });
        });
        assert_eq!(receiver.recv().unwrap(), None);
    }
}
