use super::*;

fn read(text: &str) -> Vec<(usize, String, String)> {
    let entries = top_level(text).unwrap();
    let parts = |entry: Entry| (entry.line, entry.key, entry.value);
    entries.into_iter().map(parts).collect()
}

#[test]
fn keys_are_read_with_their_lines_and_values() {
    let text = "---\n# a comment\n\nnode-label:\n- a=b # why\n- c=d\n\"node-ip\": '10.0.0.1' # why\n\
                kubelet-arg+: [\n  \"v=2\", # why\n]\nv: 2\ndata-dir:\n  /mnt/k3s\n";
    let expected = [
        (4, "node-label", "- a=b - c=d"),
        (7, "node-ip", "10.0.0.1"),
        (8, "kubelet-arg+", "[ \"v=2\", ]"),
        (11, "v", "2"),
        (12, "data-dir", "/mnt/k3s"),
    ];
    let expected = expected.map(|(line, key, value)| (line, key.into(), value.into()));
    assert_eq!(read(text), expected);
}

#[test]
fn nothing_else_in_the_first_column_is_accepted() {
    for text in [
        "{node-name: x}",
        "a: 1\n---\nnode-name: x",
        "--- {node-name: x}",
        "&a node-name: x",
        "!!str node-name: x",
        "? node-name\n: x",
        "  node-name: x",
        "- node-name: x",
        "node-name",
        "a: 1\rnode-name: x",
        "a: 1\u{2028}node-name: x",
        "\"node\\x2dname\": x",
        "<<: *a",
        "\u{feff}node-name: x",
        "%YAML 1.1",
    ] {
        assert!(top_level(text).is_err(), "{text:?}");
    }
    assert_eq!(top_level("a: 1\n{b: 2}").unwrap_err().0, 2);
}

#[test]
fn what_yaml_does_not_allow_is_an_error() {
    let (tab, open) = ("is indented with a tab", "has a quote or a bracket that");
    for (text, line, why) in [
        ("a:\n\t- b", 2, tab),
        ("a: b\n\tc", 2, tab),
        ("v: 1\na: [b\nc: 1", 2, open),
        ("a: [\n  b,\n", 1, open),
        ("a: \"b", 1, open),
        ("a: '", 1, open),
        ("a: {b: c", 1, open),
    ] {
        let (number, said) = top_level(text).unwrap_err();
        assert!(number == line && said.starts_with(why), "{text:?}: {said}");
    }
    // Where a value is open, YAML allows tabs.
    assert_eq!(read("a: [\n\tb,\n\t\n\tc ]\n\t\n\t# d")[0].2, "[ b, c ]");
    assert_eq!(read("a: 'it''s'\nb: it's [\n")[0].2, "it''s");
}

#[test]
fn a_hash_is_a_comment_after_a_space_and_outside_quotes_only() {
    assert_eq!(read("a: x#y # z")[0].2, "x#y");
    assert_eq!(read("a: 'x # y' # z")[0].2, "x # y");
    assert_eq!(read("a: it's # z")[0].2, "it's");
    // Only between double quotes a backslash keeps a quote from ending the text.
    assert_eq!(read(r#"a: "x\" # y" # z"#)[0].2, r#"x\" # y"#);
    assert_eq!(read(r"a: 'x\' # z")[0].2, r"x\");
    assert_eq!(read("# a: b"), []);
}
