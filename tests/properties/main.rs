//! Property tests: the parsers that read untrusted bytes get a million random inputs.
//!
//! Some inputs are valid: the parser must return the values that they were made from. The others
//! are damaged or random: the parser must not panic, and its property (`properties.rs`) must hold.

mod ca;
mod k3s_rules;
mod long;
mod properties;
mod random;
mod shell;

use muster::board::mac::Mac;
use muster::host::machine::parse_mounts;
use muster::http::headers::retry_after;
use muster::http::headers::{ContentRange, content_range};
use muster::k3s::channel::tag_of_location;
use muster::k3s::release::Tag;
use muster::k3s::server::git_version;
use muster::k3s::yaml;
use muster::report::format::{Message, State, param};
use muster::settings::sources::{conf_assignments, kernel_words};
use muster::watch::datagram::parse;
use muster::{digest::Sha256, k3s::release::digest_in_sums};
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

/// Inputs for each of the twelve parsers.
const CASES: usize = 100_000;
const HEX: &str = "0123456789abcdef";
const NAME: &str = "ABCXYZabcxyz_";
const PRINTABLE: &str = "abcXYZ019.,:;-_+*/\\'\"$`#=?!~^(){}[]<>|&%@";

/// Checks one parser. `valid` makes a valid text and asserts that the parser reads it right.
/// `property` asserts what must hold for any bytes. `pieces` are strings that mean something to the
/// parser; damaged and random inputs contain them.
fn check(pieces: &[&str], valid: impl Fn(&mut Random) -> String, property: impl Fn(&[u8])) {
    let mut random = Random::new(0x6d75_7374_6572);
    for case in 0..CASES {
        let mut text = match case % 4 {
            0 => random.pieces(pieces),
            _ => valid(&mut random).into_bytes(),
        };
        if case % 4 > 1 {
            random.damage(&mut text, pieces);
        }
        if catch_unwind(AssertUnwindSafe(|| property(&text))).is_err() {
            panic!(
                "the property does not hold for case {case}: {:?}",
                String::from_utf8_lossy(&text)
            );
        }
    }
}

/// Checks a parser of text. Invalid UTF-8 becomes U+FFFD, as in the agent.
fn check_text(pieces: &[&str], valid: impl Fn(&mut Random) -> String, property: impl Fn(&str)) {
    check(pieces, valid, |bytes| {
        property(&String::from_utf8_lossy(bytes))
    });
}

/// A valid release tag.
fn tag(random: &mut Random) -> String {
    let numbers: Vec<String> = (0..3).map(|_| random.below(100_000).to_string()).collect();
    let suffix = match random.below(3) {
        0 => String::new(),
        1 => format!("+k3s{}", random.below(10)),
        _ => format!("-rc{}+k3s{}", random.below(10), random.below(10)),
    };
    format!("v{}{suffix}", numbers.join("."))
}

#[test]
fn sums_files() {
    let line = |random: &mut Random, name: &str| {
        let (digest, mark, end) = (
            random.word(HEX, 64, 64),
            random.of(&["  ", " *"]),
            random.of(&["\n", "\r\n"]),
        );
        let digest = if random.below(2) == 0 {
            digest.to_uppercase()
        } else {
            digest
        };
        (format!("{digest}{mark}{name}{end}"), digest)
    };
    let valid = |random: &mut Random| {
        let (before, _) = line(random, "k3s-airgap-images-arm64.tar.zst");
        let (own, digest) = line(random, "k3s-arm64");
        let (after, _) = line(random, "k3s");
        let text = format!("{before}{own}{after}");
        assert_eq!(
            digest_in_sums(&text, "k3s-arm64"),
            Sha256::parse(&digest),
            "{text}"
        );
        text
    };
    check_text(
        &[
            "k3s",
            "k3s-arm64",
            " *",
            "  ",
            "*",
            "0123456789abcdef",
            "\n",
        ],
        valid,
        properties::sums,
    );
}

#[test]
fn tokens() {
    let valid = |random: &mut Random| {
        let hash = random.word(HEX, 64, 64);
        let secret = random.word(PRINTABLE, 1, 40);
        let bootstrap = format!("{}.{}", random.word(HEX, 6, 6), random.word(HEX, 16, 16));
        match random.below(6) {
            0 => format!("K10{hash}::server:{secret}"),
            1 => format!("K10{hash}:::{secret}"),
            2 => format!("K10{hash}::{bootstrap}"),
            3 => format!("K10::node:{secret}"),
            4 => bootstrap,
            _ => secret,
        }
    };
    check_text(
        &[
            "K10",
            "K1",
            ":",
            "::",
            ".",
            "server",
            "node",
            "0123456789abcdef",
            "abcdef",
        ],
        valid,
        properties::token,
    );
}

#[test]
fn kernel_command_lines() {
    let valid = |random: &mut Random| {
        let words: Vec<_> = (0..random.below(6))
            .map(|_| (random.word(NAME, 1, 9), random.word("abc019.,:/=- ", 0, 12)))
            .collect();
        let write = |(name, value): &(String, String)| match random.below(3) {
            0 if !value.contains(' ') => format!("{name}={value}"),
            1 => format!("{name}=\"{value}\""),
            _ => format!("\"{name}={value}\""),
        };
        let text = words.iter().map(write).collect::<Vec<_>>().join(" quiet ") + "\n";
        assert_eq!(kernel_words(&text), words, "{text}");
        text
    };
    check_text(
        &["\"", "=", " ", "MUSTER_LOG", "a", "'", "\\"],
        valid,
        properties::kernel,
    );
}

#[test]
fn settings_files() {
    let valid = |random: &mut Random| {
        let (name, value) = (
            random.word(NAME, 1, 9),
            random.word(&format!("{PRINTABLE} "), 0, 20),
        );
        let escaped: String = value
            .chars()
            .flat_map(|c| "\"\\$`".contains(c).then_some('\\').into_iter().chain([c]))
            .collect();
        let written = match random.below(2) {
            0 => format!("'{}'", value.replace('\'', "'\\''")),
            _ => format!("\"{escaped}\""),
        };
        let (export, comment) = (
            random.of(&["", "export ", "\t"]),
            random.of(&["", " # a comment", "  "]),
        );
        let text = format!("# a comment\n{export}{name}={written}{comment}\n");
        assert_eq!(conf_assignments(&text), [(2, name, Ok(value))], "{text}");
        text
    };
    let pieces = [
        "'", "\"", "\\", "$", "`", "#", "=", "A=", "export ", "A=\"", ";", "~", "a",
    ];
    check_text(&pieces, valid, properties::conf);
}

#[test]
fn mac_addresses() {
    let valid = |random: &mut Random| {
        let mut bytes = random.number().to_be_bytes();
        bytes[2] = bytes[2] & 0xfe | 2;
        let separator = random.of(&[":", "-", "."]);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        let size = [1, 2, 6][random.below(3)];
        let groups: Vec<String> = bytes[2..].chunks(size).map(hex).collect();
        let text = groups.join(separator);
        let text = if random.below(2) == 0 {
            text.to_uppercase()
        } else {
            text
        };
        assert_eq!(
            Mac::parse(&text).map(|mac| mac.bytes().to_vec()),
            Ok(bytes[2..].to_vec()),
            "{text}"
        );
        text
    };
    check_text(
        &[
            ":",
            "-",
            ".",
            "00",
            "b8",
            "FF",
            "0",
            "g",
            " dev ",
            "lladdr ",
            "ether",
            "at",
            "#",
            "(",
            "192.0.2.7 ",
            "fd00::1 ",
            "17 ",
            "0x1 ",
            "\n",
        ],
        valid,
        properties::mac,
    );
}

#[test]
fn release_tags() {
    let valid = |random: &mut Random| {
        let text = tag(random);
        assert_eq!(
            Tag::parse(&text).map(|tag| tag.to_string()).as_ref(),
            Some(&text)
        );
        text
    };
    check_text(
        &["v", "1", ".", "..", "+", "-", "/", "%2e", "k3s1"],
        valid,
        properties::tag,
    );
}

#[test]
fn version_responses() {
    let valid = |random: &mut Random| {
        let tag = tag(random);
        let text = format!(
            r#"{{"major":"1","minor":"34","gitVersion":"{tag}","extra":[{{"n":{}}}]}}"#,
            random.any_number()
        );
        assert_eq!(git_version(text.as_bytes()), Tag::parse(&tag), "{text}");
        text
    };
    let pieces = [
        "{",
        "}",
        "[",
        "\"",
        ":",
        ",",
        "\"gitVersion\"",
        "\"v1.34.1+k3s1\"",
        "null",
        "1e999",
        "\\u0000",
        "\\ud800",
    ];
    check(&pieces, valid, properties::version);
}

#[test]
fn channel_redirects() {
    let valid = |random: &mut Random| {
        let tag = tag(random);
        let base = random.of(&["", "/", "https://github.com/k3s-io/k3s/releases/tag/"]);
        let text = format!(
            "{base}{}",
            tag.replace('+', random.of(&["+", "%2B", "%2b"]))
        );
        assert_eq!(tag_of_location(&text), Tag::parse(&tag), "{text}");
        text
    };
    check_text(
        &[
            "/", "..", "%2B", "%2b", "%", "v1.2.3", "+k3s1", "https://", "?", "#",
        ],
        valid,
        properties::location,
    );
}

#[test]
fn retry_after_headers() {
    let valid = |random: &mut Random| {
        let asked = random.any_number();
        let date = Duration::from_secs(asked % 100_000_000_000) + properties::NOW;
        let (text, asked) = match random.below(2) {
            0 => (asked.to_string(), Duration::from_secs(asked)),
            _ => (
                httpdate::fmt_http_date(UNIX_EPOCH + date),
                date - properties::NOW,
            ),
        };
        assert_eq!(
            retry_after(&text, UNIX_EPOCH + properties::NOW),
            Some(asked),
            "{text}"
        );
        text
    };
    let pieces = [
        "Sun, ",
        "06 ",
        "Nov ",
        "1994 ",
        "08:49:37",
        " GMT",
        "Sunday, 06-Nov-94",
        "18446744073709551615",
        "-",
        "+",
    ];
    check_text(&pieces, valid, properties::retry);
}

#[test]
fn content_ranges() {
    let valid = |random: &mut Random| {
        let mut numbers = [
            random.any_number(),
            random.any_number(),
            random.any_number(),
        ];
        numbers.sort();
        let [start, end, above] = numbers;
        let total = (above > end && random.below(2) == 0).then_some(above);
        let shown = total.map_or("*".into(), |total| total.to_string());
        let text = format!("bytes {start}-{end}/{shown}");
        assert_eq!(
            content_range(&text),
            Some(ContentRange { start, total }),
            "{text}"
        );
        text
    };
    check_text(
        &[
            "bytes ",
            "-",
            "/",
            "*",
            "0",
            "5",
            "18446744073709551615",
            "+",
        ],
        valid,
        properties::range,
    );
}

#[test]
fn mount_tables() {
    let valid = |random: &mut Random| {
        let mut text = String::new();
        let mut expected = Vec::new();
        for id in 0..1 + random.below(3) {
            let point = format!("/{}", random.word("abc/", 0, 9));
            let (kind, shared) = (
                random.of(&["tmpfs", "overlay", "nfs4"]),
                random.below(2) == 0,
            );
            let field = if shared {
                random.of(&["shared:1 ", "master:1 shared:2 "])
            } else {
                random.of(&["", "master:3 "])
            };
            text += &format!("{id} 1 0:21 / {point} rw,relatime {field}- {kind} none rw\n");
            expected.push((point, kind.to_string(), shared));
        }
        let read = parse_mounts(&text)
            .into_iter()
            .map(|m| (m.point.display().to_string(), m.kind, m.shared));
        assert_eq!(read.collect::<Vec<_>>(), expected, "{text}");
        text
    };
    check_text(
        &[" - ", " ", "/", "shared:", "-", "tmpfs", "rw", "0:21"],
        valid,
        properties::mounts,
    );
}

#[test]
fn k3s_configuration_files() {
    let valid = |random: &mut Random| {
        let (mut text, mut expected) = (
            String::from(random.of(&["", "---\n", "# a: b\n"])),
            Vec::new(),
        );
        for _ in 0..random.below(4) {
            let line = text.lines().count() + 1;
            let (key, word) = (
                format!("a{}", random.word("abc-+", 0, 9)),
                format!("a{}z", random.word("abc=/:#", 0, 9)),
            );
            let written = random.of(&[
                "K: V",
                "\"K\": 'V' # c",
                "K :  \"V\"",
                "K:\n  V",
                "K:\n\n- V",
                "K: [\n  V,\n]",
            ]);
            text += &written.replace('K', &key).replace('V', &word);
            text += random.of(&["\n", " # it's\n", "\n\n"]);
            let value = match written {
                "K:\n\n- V" => format!("- {word}"),
                "K: [\n  V,\n]" => format!("[ {word}, ]"),
                _ => word,
            };
            expected.push(yaml::Entry { line, key, value });
        }
        assert_eq!(yaml::top_level(&text).as_ref(), Ok(&expected), "{text}");
        text
    };
    let pieces = [
        "a: b", "\n- c", "\n", "\n  ", ": ", ":", "#", "'", "\"", "---", "{", "]", "&a ",
    ];
    check_text(&pieces, valid, properties::config);
}

#[test]
fn datagrams() {
    let valid = |random: &mut Random| {
        let states = [State::Running, State::Waiting, State::Joined];
        let (state, tag) = (states[random.below(3)], tag(random));
        let (bytes, uptime) = (random.any_number(), random.below(1_000_000));
        let params = [
            (
                param::MAC,
                format!("52:54:00:00:00:{:02x}", random.below(256)),
            ),
            (
                param::UPTIME,
                format!("{}.{:03}", uptime / 1000, uptime % 1000),
            ),
            (param::STATE, state.name().into()),
            (param::BYTES, bytes.to_string()),
            (param::VERSION, tag.clone()),
            ("other", random.word(PRINTABLE, 0, 9)),
        ];
        let text = random.word(PRINTABLE, 0, 40);
        let line = Message {
            severity: 3 + random.below(5) as u8,
            time: (random.below(2) == 0).then_some(properties::NOW),
            hostname: "worker-1",
            pid: 412,
            step: random.of(&["network", "fetch", "boot"]),
            params: &params,
            text: &text,
        };
        let line = line.datagram();
        let report = parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(
            report.mac.map(|mac| mac.to_string()).as_ref(),
            Some(&params[0].1)
        );
        assert_eq!(report.uptime, Some(Duration::from_millis(uptime as u64)));
        assert_eq!((report.state, report.bytes), (Some(state), Some(bytes)));
        assert_eq!(report.version, Tag::parse(&tag));
        assert_eq!(report.text, text, "{line}");
        line
    };
    let pieces = [
        "<30>1 ",
        "<28>",
        "<",
        ">",
        "-",
        " ",
        "[",
        "]",
        "\"",
        "\\",
        "=",
        "muster",
        "muster@32473",
        "muster[1]: ",
        "mac=\"",
        "uptime=\"1e9\"",
        "Aug 12 10:00:00 ",
        "2026-08-12T10:00:00Z ",
        "worker-1",
        "WARN: ",
        "fetch: ",
        "bytes=\"99999999999999999999\"",
        "\x1b[2J",
        "\x07",
        "\u{9b}",
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
    ];
    check(&pieces, valid, properties::datagram);
}
