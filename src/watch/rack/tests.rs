use super::*;
use crate::watch::datagram::parse;
use std::time::Duration;

fn rack(listed: &[&str]) -> Rack {
    let listed: Vec<Mac> = listed.iter().map(|mac| Mac::parse(mac).unwrap()).collect();
    Rack::new(&listed, &Naming::new("worker-", 6).unwrap())
}

fn hear(rack: &mut Rack, line: &str) -> Option<Key> {
    let report = parse(line.as_bytes()).unwrap();
    rack.hear(report, "192.0.2.9".parse().unwrap(), Instant::now())
}

fn keys(rack: &Rack) -> Vec<Key> {
    rack.boards.keys().cloned().collect()
}

fn mac(number: u32) -> Mac {
    let [_, a, b, c] = number.to_be_bytes();
    Mac::parse(&format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")).unwrap()
}

fn line(number: u32) -> String {
    let mac = mac(number);
    format!("<30>1 - worker-{number} muster 1 fetch [muster@32473 mac=\"{mac}\"] x")
}

#[test]
fn lines_without_a_mac_address_go_to_the_board_with_the_name() {
    let mut rack = rack(&["dc:a6:32:01:02:03"]);
    let listed = Key::Mac(Mac::parse("dc:a6:32:01:02:03").unwrap());
    let key = hear(&mut rack, "<28>Aug 12 10:00:00 worker-43dfae muster[1] a");
    assert_eq!(key, Some(listed));
    // Any other board has a row by its name until its MAC address is known.
    for _ in 0..2 {
        hear(&mut rack, "<28>Aug 12 10:00:00 worker-7 muster[1] a");
        assert_eq!(keys(&rack).len(), 2);
    }
    assert_eq!(hear(&mut rack, &line(7)), Some(Key::Mac(mac(7))));
    assert_eq!(keys(&rack).len(), 2);
    let key = hear(&mut rack, "<28>Aug 12 10:00:00 worker-7 muster[1] a");
    assert_eq!(key, Some(Key::Mac(mac(7))));
}

#[test]
fn lines_without_a_name_go_to_the_board_with_the_address() {
    let mut rack = rack(&[]);
    let sender = "192.0.2.9".parse().unwrap();
    let forwarded = "<28>Aug 12 10:00:00 muster: WARN: network: no carrier";
    assert_eq!(hear(&mut rack, forwarded), Some(Key::Address(sender)));
    assert_eq!(keys(&rack), [Key::Address(sender)]);
    let line = line(1).replace("\"]", "\" ip=\"192.0.2.9\"]");
    hear(&mut rack, &line);
    assert_eq!(keys(&rack), [Key::Mac(mac(1))]);
    assert_eq!(hear(&mut rack, forwarded), Some(Key::Mac(mac(1))));
    let board = rack.rows(Instant::now())[0];
    assert_eq!(board.trouble.as_deref(), Some("no carrier"));
}

#[test]
fn a_full_rack_leaves_out_the_board_that_was_unheard_for_the_longest_time() {
    let mut rack = rack(&["52:54:00:ff:ff:ff"]);
    for number in 0..BOARDS_MAX as u32 {
        hear(&mut rack, &line(number));
    }
    assert_eq!(keys(&rack).len(), BOARDS_MAX);
    assert!(!keys(&rack).contains(&Key::Mac(mac(0))));
    hear(&mut rack, &line(1));
    hear(&mut rack, &line(BOARDS_MAX as u32));
    let keys = keys(&rack);
    assert!(keys.contains(&Key::Mac(mac(1))) && !keys.contains(&Key::Mac(mac(2))));
    assert!(keys.contains(&Key::Mac(mac(0xff_ffff))));
    assert_eq!(rack.names.len(), BOARDS_MAX);
    assert_eq!(rack.turns.len(), BOARDS_MAX - 1);
}

#[test]
fn rows_begin_with_what_a_person_must_look_at() {
    let mut rack = rack(&["52:54:00:ff:ff:ff"]);
    for (number, step, state) in [
        (1, "join", "joined"),
        (2, "fetch", "running"),
        (3, "register", "failed"),
        (4, "network", "waiting"),
    ] {
        let state = format!("\" state=\"{state}\"]");
        let line = line(number).replace("\"]", &state).replace("fetch", step);
        hear(&mut rack, &line);
    }
    let rows = rack.rows(Instant::now());
    let order = rows.iter().map(|board| board.mac.unwrap());
    let expected = [mac(3), mac(0xff_ffff), mac(4), mac(2), mac(1)];
    assert_eq!(order.collect::<Vec<_>>(), expected);
}

#[test]
fn a_board_is_told_of_once_for_each_change() {
    let mut rack = rack(&[]);
    let key = hear(&mut rack, &line(1)).unwrap();
    let now = Instant::now();
    assert_eq!(rack.turned(now), std::slice::from_ref(&key));
    assert!(rack.changed(&key, now, |_| "one".into()).is_some());
    assert!(rack.changed(&key, now, |_| "one".into()).is_none());
    assert!(rack.changed(&key, now, |_| "two".into()).is_some());
    // A board that says nothing turns silent.
    assert_eq!(rack.turned(now), []);
    assert_eq!(rack.turned(now + Duration::from_secs(100)), [key]);
}

#[test]
fn a_board_that_changes_its_name_has_one_name() {
    let mut rack = rack(&[]);
    hear(&mut rack, &line(1));
    hear(&mut rack, &line(1).replace("worker-1 ", "worker-2 "));
    let names: Vec<&str> = rack.names.keys().map(Hostname::as_str).collect();
    assert_eq!(names, ["worker-2"]);
}
