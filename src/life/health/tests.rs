use super::*;
use crate::life::record::tests::record;

fn addresses(words: &str) -> Vec<IpAddr> {
    let words = words.split_whitespace();
    words.map(|word| word.parse().unwrap()).collect()
}

#[test]
fn an_address_counts_when_it_has_replaced_the_recorded_one() {
    let record = record(b"k3s"); // 10.0.0.7
    for (present, expected) in [
        ("10.0.0.7", None),
        ("10.0.0.9 10.0.0.7", None),
        ("", None),
        ("fd00::1", None),
        ("10.0.0.9 fd00::1", Some("10.0.0.9")),
    ] {
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(
            replacement(&record, &addresses(present)),
            expected,
            "{present}"
        );
    }
    let unknown = Record {
        address: None,
        ..record
    };
    assert_eq!(replacement(&unknown, &addresses("10.0.0.9")), None);
}

#[test]
fn a_new_address_must_stay() {
    let record = record(b"k3s");
    let mut watch = Watch::default();
    let mut look = |present| watch.new_address(&record, &addresses(present)).is_some();
    let looks = [
        "10.0.0.8", "", "10.0.0.8", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.9",
    ];
    let seen: Vec<bool> = looks.into_iter().map(&mut look).collect();
    assert_eq!(seen, [false, false, false, false, false, false, true]);
}
