use super::*;

#[test]
fn hostnames_equal_the_golden_vectors() {
    let naming = Naming::new("worker-", 6).unwrap();
    for (mac, name) in [
        ("b8:27:eb:00:00:01", "worker-b5b697"),
        ("dc:a6:32:01:02:03", "worker-43dfae"),
        ("52:54:00:12:34:56", "worker-64e59a"),
    ] {
        assert_eq!(naming.of(Mac::parse(mac).unwrap()).as_str(), name);
    }
}

#[test]
fn common_digits_are_counted_by_half_bytes() {
    let a = [0x12; 20];
    for (byte, other, expected) in [(0, 0x22, 0), (0, 0x13, 1), (1, 0x02, 2), (19, 0x11, 39)] {
        let mut b = a;
        b[byte] = other;
        assert_eq!(common_digits(&a, &b), expected);
    }
    assert_eq!(common_digits(&a, &a), SHA1_HEX);
}

#[test]
fn only_dns_labels_are_accepted() {
    assert!(Naming::new("", 40).is_ok());
    assert!(Naming::new(&"a".repeat(57), 6).is_ok());
    for prefix in ["Worker-", "-w", "w_", "w.", "wörker"] {
        let naming = Naming::new(prefix, 6);
        assert!(matches!(naming, Err(BadNaming::Prefix(_))), "{prefix}");
    }
    for (prefix, length) in [("w-", 0), ("w-", 41), (&*"a".repeat(58), 6)] {
        let naming = Naming::new(prefix, length);
        assert!(matches!(naming, Err(BadNaming::Length(_))), "{length}");
    }
}

#[test]
fn a_text_that_is_no_hostname_of_muster_is_not_parsed() {
    for text in ["worker-43dfae", "7", &"a".repeat(63)] {
        assert_eq!(Hostname::parse(text).unwrap().as_str(), text);
    }
    for text in ["", "Worker-1", "a.b", "../x", &"a".repeat(64)] {
        assert_eq!(Hostname::parse(text), None, "{text}");
    }
}
