//! Inputs far longer than any real one.

use crate::holds;

/// No parser recurses into its input or goes over it again and again: it would end in a full stack, or not in this test's time.
#[test]
fn long_inputs() {
    for piece in [
        "\"",
        "[",
        "{\"a\":",
        " ",
        "=",
        "A=\\",
        "A=1\n",
        "a=1 ",
        "'",
        ":",
        "K10",
        "9",
        "1.",
        "/",
        " - ",
        "0 * k3s\n",
        "%2B",
        "é",
    ] {
        let text = piece.repeat((256 << 10) / piece.len());
        for text in [
            text.clone(),
            format!("v1.2.3+{text}"),
            format!("bytes {text}"),
            format!("A=\"{text}"),
        ] {
            holds::version(text.as_bytes());
            for holds in [
                holds::sums,
                holds::token,
                holds::kernel,
                holds::conf,
                holds::mac,
                holds::tag,
                holds::location,
                holds::retry,
                holds::range,
                holds::mounts,
            ] {
                holds(&text);
            }
        }
    }
}
