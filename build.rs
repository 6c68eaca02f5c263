//! Puts two things into the program, as environment variables of the compiler:
//!
//! - `MUSTER_BUILD_EPOCH`, the time of the build (seconds since 1970). The clock step sets no earlier
//!   time. It is `SOURCE_DATE_EPOCH` when that is set (reproducible-builds.org), else now.
//! - `MUSTER_VERSION`, the text of `muster --version`: the version, the day of that time, and the
//!   commit in `BUILD_COMMIT`, which the Makefile sets.

use std::env;
use std::time::SystemTime;

fn main() {
    for variable in ["SOURCE_DATE_EPOCH", "BUILD_COMMIT"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed=src");
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the build machine's clock is before 1970");
    let epoch: u64 = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .expect("SOURCE_DATE_EPOCH is not a number of seconds"),
        Err(_) => now.as_secs(),
    };
    println!("cargo:rustc-env=MUSTER_BUILD_EPOCH={epoch}");
    let commit = env::var("BUILD_COMMIT").unwrap_or_default();
    let commit = match commit.as_str() {
        "" => String::new(),
        commit => format!("commit {commit}, "),
    };
    let (version, day) = (env!("CARGO_PKG_VERSION"), day(epoch));
    println!("cargo:rustc-env=MUSTER_VERSION={version} ({commit}built {day})");
}

/// The day of a time in seconds since 1970, as YYYY-MM-DD (UTC).
fn day(epoch: u64) -> String {
    let mut days = epoch / (24 * 3600);
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}
