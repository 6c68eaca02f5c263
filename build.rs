//! Puts the time of the build into the program, as the environment variable `MUSTER_BUILD_EPOCH` of
//! the compiler (seconds since 1970). The clock step sets no earlier time.
//!
//! The time is `SOURCE_DATE_EPOCH` when that is set (reproducible-builds.org), else now.

use std::time::SystemTime;

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=src");
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the build machine's clock is before 1970");
    let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .expect("SOURCE_DATE_EPOCH is not a number of seconds"),
        Err(_) => now.as_secs(),
    };
    println!("cargo:rustc-env=MUSTER_BUILD_EPOCH={epoch}");
}
