use crate::status::Status;
use crate::status::shown::{current, table};
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn the_operator_is_told_what_to_do() {
    let mut status = Status::default();
    status.begin(["join"].into_iter());
    let to_do = |status: &Status, runs: bool| {
        let text = current(&status.to_json(), MS(85_000), |_| runs).unwrap();
        table(&text)
            .unwrap()
            .rsplit_once("to do     ")
            .unwrap()
            .1
            .to_string()
    };
    assert_eq!(
        to_do(&status, false),
        "to start the boot, run: rc-service muster start\n"
    );
    status.start("join", MS(1));
    assert!(to_do(&status, false).starts_with("muster was stopped or killed in the step join"));
    status.end("join", MS(2), None);
    status.join(MS(3));
    let pid = std::process::id();
    assert_eq!(
        to_do(&status, true),
        format!("nothing: k3s runs as process {pid}\n")
    );
    assert!(to_do(&status, false).starts_with("k3s has ended"));
    status.failed("join: cannot run k3s", None);
    assert!(to_do(&status, true).contains("rc-service muster restart"));
    status.failed("join: cannot run k3s", Some(MS(100_000)));
    assert!(to_do(&status, true).contains("tries again by itself"));
    let text = current(&status.to_json(), MS(85_000), |_| true).unwrap();
    let text = table(&text).unwrap();
    assert!(
        text.contains("\nfailed    join: cannot run k3s\nnext try  in 15 s\n"),
        "{text}"
    );
}
