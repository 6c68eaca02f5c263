//! Gives the program the time of its build, below which no clock may stand: `SOURCE_DATE_EPOCH` where the build sets it
//! (reproducible-builds.org), else now.

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
