use super::*;

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn the_rate_follows_the_last_seconds_and_tells_the_time_left() {
    let start = Instant::now();
    let mut download = Download::new(0, Some(80_000_000), None, start);
    assert_eq!((download.rate, download.left()), (None, None));
    for second in 1..=4 {
        let bytes = second * 10_000_000;
        let now = at(start, second * 1000);
        download = Download::new(bytes, Some(80_000_000), Some(download), now);
        assert_eq!(download.rate, Some(10_000_000));
    }
    assert_eq!(download.percent(), Some(50));
    assert_eq!(download.left(), Some(Duration::from_secs(4)));
    // Datagrams that arrive together do not count as a high rate.
    let together = Download::new(
        50_000_000,
        Some(80_000_000),
        Some(download),
        at(start, 4001),
    );
    assert_eq!(together.rate, Some(10_000_000));
    let next = Download::new(
        50_000_000,
        Some(80_000_000),
        Some(together),
        at(start, 5000),
    );
    assert!(
        next.rate
            .is_some_and(|rate| (9_900_000..=10_100_000).contains(&rate))
    );
}

#[test]
fn a_download_that_starts_again_has_no_rate_and_odd_numbers_do_no_harm() {
    let start = Instant::now();
    let first = Download::new(5_000_000, None, None, start);
    let again = Download::new(1, None, Some(first), at(start, 1000));
    assert_eq!(
        (again.rate, again.percent(), again.left()),
        (None, None, None)
    );
    let odd = Download::new(u64::MAX, Some(7), Some(again), at(start, 2000));
    assert_eq!(odd.percent(), Some(100));
    assert_eq!(odd.left(), Some(Duration::ZERO));
    let none = Download::new(1, Some(0), None, start);
    assert_eq!(none.percent(), None);
    let stalled = Download::new(1, Some(7), Some(none), at(start, 1000));
    assert_eq!((stalled.rate, stalled.left()), (Some(0), None));
}
