use super::*;

#[test]
fn the_kernel_command_line_is_parsed_as_the_kernel_does() {
    let words = kernel_words(
        "quiet K3S_URL=https://a:6443 MUSTER_NTP=\"a b\" \"MUSTER_MIRRORS=c d\" x=y=z\n",
    );
    let expected = [
        ("K3S_URL", "https://a:6443"),
        ("MUSTER_NTP", "a b"),
        ("MUSTER_MIRRORS", "c d"),
        ("x", "y=z"),
    ];
    assert_eq!(
        words,
        expected.map(|(name, value)| (name.to_string(), value.to_string()))
    );
    assert_eq!(
        kernel_words("quiet A=\"b c\n"),
        [("A".to_string(), "b c".to_string())]
    );
}

/// As `next_arg` and `parse_args` of Linux do it (lib/cmdline.c, kernel/params.c).
#[test]
fn quotes_and_the_end_of_the_words_are_as_in_the_kernel() {
    let pairs = |text| {
        let words = kernel_words(text).into_iter();
        words
            .map(|(name, value)| format!("{name}|{value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(pairs("A=b\"c d\"e"), ["A|b\"c d\"e"]);
    assert_eq!(pairs("A=\"b c\"d"), ["A|b c\"d"]);
    assert_eq!(pairs("A=\"b c\" B=d"), ["A|b c", "B|d"]);
    assert_eq!(pairs("\"A=b c\" \"x y\""), ["A|b c"]);
    assert_eq!(pairs("A=1 -- B=2"), ["A|1"]);
    assert_eq!(pairs("A=1 --B=2 \"--\" C=3"), ["A|1", "--B|2"]);
    assert_eq!(pairs("A=\"1 -- 2\" B=3"), ["A|1 -- 2", "B|3"]);
    assert_eq!(pairs("=x A="), ["A|"]);
}

#[test]
fn export_may_be_followed_by_any_space_and_a_file_may_begin_with_a_byte_order_mark() {
    let text = "\u{feff}A=1\nexport  B=2\nexport\tC=3\nexportD=4\n";
    let names: Vec<_> = conf_assignments(text)
        .into_iter()
        .map(|(_, name, value)| format!("{name}={}", value.unwrap()))
        .collect();
    assert_eq!(names, ["A=1", "B=2", "C=3", "exportD=4"]);
}

#[test]
fn the_settings_file_is_parsed_as_a_shell_does() {
    let text = "# K3S_URL=\"no\"\n\nA=plain # why\nB=\"two words\"\n export C='$5'\nD=\"a\\\"b\"\nif true; then E=1; fi\nF=\nG=\"a\\nb\"\n";
    let read: Vec<_> = conf_assignments(text)
        .into_iter()
        .map(|(line, name, value)| (line, name, value.unwrap()))
        .collect();
    let expected = [
        (3, "A", "plain"),
        (4, "B", "two words"),
        (5, "C", "$5"),
        (6, "D", "a\"b"),
        (8, "F", ""),
        (9, "G", "a\\nb"),
    ];
    assert_eq!(
        read,
        expected.map(|(line, name, value)| (line, name.to_string(), value.to_string()))
    );
}

#[test]
fn shell_code_is_found_and_a_space_before_the_sign_is_an_error() {
    let text = "# a\n\nA=1\n export B=2\nif true; then\nC=3\nfi\n";
    assert_eq!(conf_code(text), Some(5));
    assert_eq!(conf_code("\u{feff}# a\nA=1\n"), None);
    assert_eq!(conf_code("A=\"1\n2\"\n"), None);
    let [(1, name, Err(why))] = &conf_assignments("A = 1\n")[..] else {
        panic!("it was taken");
    };
    assert!(name == "A" && why.contains("space before"), "{why}");
}

#[test]
fn a_value_that_only_a_shell_can_evaluate_is_an_error() {
    for text in [
        "A=$(id)",
        "A=\"$B\"",
        "A=`id`",
        "A=\"open",
        "A='open",
        "A=two words",
        "A=x; rm",
        "A=~/x",
        "A=x\\",
    ] {
        assert!(conf_assignments(text)[0].2.is_err(), "{text}");
    }
}
