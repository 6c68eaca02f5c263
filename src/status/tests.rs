use super::*;

#[test]
fn a_status_reads_back() {
    let mut status = Status::default();
    status.begin(["identity", "fetch"].into_iter());
    status.hostname("worker-b5b697");
    status.start("identity", Duration::from_millis(5000));
    status.end("identity", Duration::from_millis(5012), None);
    status.start("fetch", Duration::from_secs(6));
    status.problem("fetch", "slow");
    let download = Download {
        bytes: 1,
        total: Some(2),
        rate: None,
        at: Duration::from_secs(7),
    };
    status.download("fetch", download);
    status.k3s_version("v1.34.1+k3s1");
    status.join(Duration::from_secs(9));
    status.restart(Duration::from_secs(10));
    status.failed("fetch: slow", Some(Duration::from_secs(100)));
    let read = Status::parse(&status.to_json());
    assert_eq!(format!("{read:?}"), format!("{status:?}"));
    assert_eq!(read.took("identity"), Duration::from_millis(12));
}

#[test]
fn a_new_attempt_keeps_nothing_of_the_earlier_one_but_its_number() {
    let mut status = Status::default();
    status.begin(["fetch"].into_iter());
    status.start("fetch", Duration::ZERO);
    status.end("fetch", Duration::ZERO, None);
    status.failed("fetch: no mirror", Some(Duration::from_secs(100)));
    status.restart(Duration::from_secs(7));
    status.begin(["fetch"].into_iter());
    let json: Value = serde_json::from_str(&status.to_json()).unwrap();
    assert_eq!(json["restarted"], 7.0);
    assert_eq!((&json["runs"], &json["restarts"]), (&json!(2), &json!(1)));
    assert_eq!(json["steps"][0]["state"], "pending");
    assert!(json["last_error"].is_null() && json["next_try"].is_null());
}

/// Adds the names of all fields in `value` to `names`, as docs/status.md writes them.
fn add_fields(names: &mut Vec<String>, prefix: &str, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = format!("{prefix}{name}");
        match value {
            Value::Array(values) => add_fields(names, &format!("{name}[]."), &values[0]),
            value => add_fields(names, &format!("{name}."), value),
        }
        names.push(name);
    }
}

#[test]
fn the_documentation_names_each_field() {
    let mut status = Status::default();
    status.begin(["fetch"].into_iter());
    let download = Download {
        bytes: 1,
        total: None,
        rate: None,
        at: Duration::ZERO,
    };
    status.download("fetch", download);
    let text = shown::current(&status.to_json(), Duration::ZERO, |_| true).unwrap();
    let mut fields = Vec::new();
    add_fields(&mut fields, "", &serde_json::from_str(&text).unwrap());
    fields.sort();
    let page = include_str!("../../docs/status.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    documented.sort_unstable();
    assert_eq!(fields, documented);
}

#[test]
fn no_password_of_a_url_is_kept() {
    let mut status = Status::default();
    let text = "https://user:pass@mirror: too slow";
    status.begin(["fetch"].into_iter());
    status.problem("fetch", text);
    assert!(!status.to_json().contains("pass"));
    status.end("fetch", Duration::ZERO, Some(text));
    status.failed(text, None);
    let json = status.to_json();
    assert!(!json.contains("pass") && json.contains("@mirror: too slow"));
}

#[test]
fn a_step_that_waited_keeps_its_last_problem() {
    let mut status = Status::default();
    status.begin(["network"].into_iter());
    status.start("network", Duration::ZERO);
    status.problem("network", "no address");
    status.solved("network");
    status.end("network", Duration::ZERO, None);
    let json: Value = serde_json::from_str(&status.to_json()).unwrap();
    let step = &json["steps"][0];
    assert_eq!(
        (&step["state"], &step["error"]),
        (&json!("done"), &json!("no address"))
    );
}
