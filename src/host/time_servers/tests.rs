use super::*;
use std::cell::RefCell;

const EARLIEST: Duration = Duration::from_secs(1_700_000_000);

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_time_outside_the_accepted_range_is_refused() {
    let check = |time| check(time, EARLIEST).map_err(|error| error.to_string());
    for time in [Duration::ZERO, EARLIEST - second(1)] {
        let error = check(time).unwrap_err();
        assert!(error.ends_with("before this image was made"), "{error}");
    }
    let error = check(EARLIEST + ACCEPTED_RANGE + second(1)).unwrap_err();
    assert!(error.contains("over 20 years after"), "{error}");
    assert_eq!(check(EARLIEST), Ok(()));
}

#[test]
fn each_server_is_asked_once_before_the_second_address_of_one() {
    let asked = RefCell::new(Vec::new());
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let addresses = |server: &str| {
        Ok(match server {
            "both" => vec![address("[fd00::1]:123"), address("10.0.0.1:123")],
            "one" => vec![address("10.0.0.2:123")],
            "none" => Vec::new(),
            _ => return Err(io::Error::other("no such name")),
        })
    };
    let servers = || {
        ["unknown", "none", "both", "one"]
            .map(String::from)
            .to_vec()
    };
    let silent = |_: &str, address: SocketAddr| -> Result<Duration> {
        asked.borrow_mut().push(address.ip().to_string());
        bail!("timed out")
    };
    let error = ask_in_turn(servers(), addresses, silent).unwrap_err();
    let reasons =
        "unknown: no such name; none: the name has no address; both: timed out; one: timed out";
    assert_eq!(error.to_string(), reasons);
    assert_eq!(*asked.borrow(), ["fd00::1", "10.0.0.2", "10.0.0.1"]);
    let v4 = |_: &str, address: SocketAddr| match address.ip().to_string().as_str() {
        "10.0.0.1" => Ok(second(7)),
        _ => bail!("timed out"),
    };
    let answer = ask_in_turn(servers(), addresses, v4).unwrap();
    assert_eq!(answer, ("both".into(), second(7)));
}

#[test]
fn the_accepted_range_has_both_of_its_ends() {
    let (earliest, second) = (Duration::from_secs(1_700_000_000), Duration::from_secs(1));
    let latest = earliest + ACCEPTED_RANGE;
    for (time, is_accepted) in [
        (earliest - second, false),
        (earliest, true),
        (latest, true),
        (latest + second, false),
    ] {
        assert_eq!(check(time, earliest).is_ok(), is_accepted, "{time:?}");
    }
}
