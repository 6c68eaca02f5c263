use super::*;
use std::time::UNIX_EPOCH;

#[test]
fn content_ranges() {
    let range = |start, total| Some(ContentRange { start, total });
    assert_eq!(content_range("bytes 5-9/10"), range(5, Some(10)));
    assert_eq!(content_range("bytes 5-9/*"), range(5, None));
    let bad = [
        "",
        "bytes */10",
        "bytes 9-5/10",
        "bytes 5-10/10",
        "bytes -5/10",
        "bytes +5-9/10",
        "items 5-9/10",
        "bytes 5-9",
    ];
    for text in bad {
        assert_eq!(content_range(text), None, "{text}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
    let read = |text| retry_after(text, now);
    assert_eq!(read(" 120 "), Some(Duration::from_secs(120)));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(read(date), Some(Duration::from_secs(60)));
    for text in [
        "",
        "-1",
        "soon",
        "1e9",
        "99999999999999999999",
        "Sun, 06 Nov 1993 08:49:37 GMT",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}
