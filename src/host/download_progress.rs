//! Reports how far a download is.

use super::machine::megabytes;
use super::{Host, LOG_AGAIN};
use crate::report::format::State;
use crate::status::Download;
use log::info;
use std::time::Duration;

/// The shortest time between two reports of a download's progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// The last report of a download's progress. All times in it are times since boot.
#[derive(Clone, Copy, Default)]
pub(super) struct Reported {
    /// When this report was made.
    reported: Duration,
    /// How many bytes the partial file had when this report was made.
    bytes: u64,
    /// When the progress was logged last. Before it is logged for the first time, this is when the
    /// first report of the download was made.
    logged: Duration,
}

impl Host {
    /// Reports how many bytes the partial file of a download has, and how many the complete file
    /// has, if that is known. The caller may call this for each piece that arrives: most calls do
    /// nothing, because there is one report a second at most.
    pub fn report_download(&self, bytes: u64, total: Option<u64>) {
        let now = self.uptime();
        let last = self.progress.download.get();
        let is_first = last.reported.is_zero() || bytes < last.bytes;
        let since = now.saturating_sub(last.reported);
        if since < PROGRESS && !is_first {
            return;
        }
        let step = self.step();
        let rate = match is_first {
            true => None,
            false => Some(((bytes - last.bytes) as f64 / since.as_secs_f64()) as u64),
        };
        let download = Download {
            bytes,
            total,
            rate,
            at: now,
        };
        self.report(|status| status.download(step, download));
        let text = shown(bytes, total, rate);
        let mut logged = last.logged;
        if is_first {
            logged = now;
        } else if now >= logged + LOG_AGAIN {
            logged = now;
            info!(target: step, "{text}");
        }
        self.send_only(State::Running, text, Some((bytes, total)));
        self.progress.download.set(Reported {
            reported: now,
            bytes,
            logged,
        });
    }
}

/// The progress of a download in words, such as `12 of 72 MB, 2.4 MB/s`.
fn shown(bytes: u64, total: Option<u64>, rate: Option<u64>) -> String {
    let mut text = megabytes(bytes).to_string();
    if let Some(total) = total {
        text += &format!(" of {}", megabytes(total));
    }
    text += " MB";
    if let Some(rate) = rate {
        let tenths = rate / 100_000;
        text += &format!(", {}.{} MB/s", tenths / 10, tenths % 10);
    }
    text
}
