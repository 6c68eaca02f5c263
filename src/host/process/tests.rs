use super::*;

#[test]
fn a_failed_program_is_named_with_its_status() {
    let run_to_end = |argv: &[&str]| super::run_to_end(argv, RUN_LIMIT);
    run_to_end(&["true"]).unwrap();
    let error = run_to_end(&["sh", "-c", "exit 3"]).unwrap_err();
    assert_eq!(error.to_string(), "sh -c 'exit 3' failed: exit status: 3");
    let error = run_to_end(&["no-such-program"]).unwrap_err().to_string();
    assert!(error.starts_with("cannot run no-such-program (the image must have"));
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 600", file.display());
    let error = run_to_end(&["sh", "-c", &script], Duration::from_secs(1)).unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with("did not end within 1 s and was killed"),
        "{error}"
    );
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn a_variable_shows_its_value_only_where_that_is_allowed() {
    let variable = |shown| Variable {
        name: "K3S_URL".into(),
        value: "https://a".into(),
        shown,
    };
    assert_eq!(variable(true).to_string(), "K3S_URL=https://a");
    assert_eq!(variable(false).to_string(), "K3S_URL=<redacted>");
}

#[test]
fn no_program_inherits_a_secret() {
    let mut command = Command::new("true");
    remove_secrets(&mut command);
    let removed: Vec<_> = command
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .collect();
    assert_eq!(removed.len(), SECRET_VARIABLES.len());
}
