use super::*;

#[test]
fn all_usual_forms_are_parsed_and_the_kernels_is_printed() {
    for text in [
        "b8:27:eb:00:00:01",
        "B8-27-EB-00-00-01",
        "b8:27:eb:0:0:1",
        "b827.eb00.0001",
        "B827-EB00-0001",
        "b8.27.eb.00.00.01",
        "B827EB000001",
    ] {
        assert_eq!(Mac::parse(text).unwrap().to_string(), "b8:27:eb:00:00:01");
    }
}

#[test]
fn addresses_that_no_interface_can_have_are_refused() {
    assert_eq!(Mac::parse("00:00:00:00:00:00"), Err(BadMac::Zero));
    assert_eq!(Mac::parse("01:00:5e:00:00:01"), Err(BadMac::Multicast));
    assert_eq!(Mac::parse("ff:ff:ff:ff:ff:ff"), Err(BadMac::Multicast));
    let malformed = [
        "",
        "b8:27:eb:00:00",
        "b8:27:eb:00:00:01:02",
        "b8:27:eb:00:00:0g",
        "b827eb00000",
        "b827eb0000010",
        "b827.eb00.001",
        "b8:27-eb:00:00:01",
        "b8:27:eb:00:00:",
        "+8:27:eb:00:00:01",
        "b827eb+00001",
        "b827.eb00:0001",
        " b827eb000001",
    ];
    for text in malformed {
        assert_eq!(Mac::parse(text), Err(BadMac::Malformed), "{text}");
    }
}

#[test]
fn the_seeds_of_one_rack_are_spread_evenly() {
    // The high bits make delays, and the low bits choose the mirror.
    let (mut tenths, mut thirds) = ([0; 10], [0; 3]);
    for board in 0..200u8 {
        let seed = Mac([0xdc, 0xa6, 0x32, 0, 0, board]).seed();
        tenths[(seed as f64 / u64::MAX as f64 * 10.0).min(9.0) as usize] += 1;
        thirds[(seed % 3) as usize] += 1;
    }
    assert!(
        tenths.iter().all(|boards| (8..=35).contains(boards)),
        "{tenths:?}"
    );
    assert!(
        thirds.iter().all(|boards| (45..=90).contains(boards)),
        "{thirds:?}"
    );
}
