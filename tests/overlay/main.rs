//! The two tools of `overlay/`, as their users meet them: run by `sh`, without root, judged by the files that they make. The
//! service's log writer is here too.
//! What needs root, or more than one system's shell and tar, is in `tests/labs/tests/overlay_tools.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "a test looks from outside; the seam is for the agent"
)]

mod genapkovl;
mod genapkovl_safe;
mod log;
mod netboot_page;
mod netboot_tree;
mod netboot_tree_errors;
mod packaging;
mod release;
mod support;

use std::process::Output;
use support::{Folder, SECRET, succeed};

/// Asserts the status of bad usage, and one line on standard error, which says this and shows no secret.
fn refused(output: &Output, said: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(said), "{said}: {error}");
    assert!(!error.contains(SECRET), "{error}");
}

fn help_fits_80_columns_for(tool: &str) {
    let help = succeed(&mut Folder::new().tool(&["sh"], tool, &["--help"])).stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(help.starts_with(&format!("Usage: {tool} ")), "{help}");
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
