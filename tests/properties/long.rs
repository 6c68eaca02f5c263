//! Inputs of 256 KiB, far longer than any real one.

use crate::properties;

/// A parser that recurses would overflow its stack here, and a parser with quadratic time would
/// take minutes.
#[test]
fn long_inputs_neither_overflow_the_stack_nor_hang() {
    for piece in [
        "\"",
        "[",
        "[a",
        "[a b=\"\"]",
        "\\",
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
            format!("<28>1 - a muster - fetch [muster@32473 mac=\"{text}"),
            format!("<28>1 - a muster - fetch {text}"),
        ] {
            properties::version(text.as_bytes());
            properties::datagram(text.as_bytes());
            for property in [
                properties::sums,
                properties::token,
                properties::kernel,
                properties::conf,
                properties::mac,
                properties::tag,
                properties::location,
                properties::retry,
                properties::range,
                properties::mounts,
                properties::config,
            ] {
                property(&text);
            }
        }
    }
}
