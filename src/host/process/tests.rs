use super::*;
use crate::host::Mode;
use std::fs::{Permissions, create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;

/// The root folder of a test that runs again in another process.
const ROOT: &str = "MUSTER_TEST_ROOT";

/// The command that runs the test `name` again, in a process in which [`own_root`] is `root`. First
/// in its `PATH` are these programs, which are scripts for `sh`.
pub(crate) fn again(name: &str, root: &Path, programs: &[(&str, &str)]) -> Command {
    let folder = root.join("programs");
    create_dir_all(&folder).unwrap();
    for (program, script) in programs {
        let file = folder.join(program);
        write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }
    // `Host::program` looks for the folders of `PATH` below the root folder.
    let host = Host::new(root, Mode::Perform);
    create_dir_all(host.path(root)).unwrap();
    symlink(&folder, host.path(&folder)).unwrap();
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    command.env(ROOT, root).env("PATH", path);
    command
}

/// The root folder, when this process was started by [`again`].
pub(crate) fn own_root() -> Option<Host> {
    Some(Host::new(std::env::var_os(ROOT)?, Mode::Perform))
}

/// Runs a test in another process, and panics with what it printed when it fails there.
pub(crate) fn passes_again(name: &str, programs: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().unwrap();
    let output = again(name, root.path(), programs).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let printed = printed.concat();
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
    printed
}

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

#[test]
fn a_process_gets_a_signal_while_it_exists() {
    let root = tempfile::tempdir().unwrap();
    // Without a signal it ends when `wait` closes its input.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let host = |mode| Host::new(root.path(), mode);
    let signal = |mode| host(mode).signal("end it", pid.cast_signed(), Signal::SIGUSR1);
    assert!(host(Mode::Plan).process_exists(pid));
    signal(Mode::Plan).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    signal(Mode::Perform).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGUSR1 as i32));
    assert!(!host(Mode::Plan).process_exists(pid));
}

#[test]
fn a_run_has_a_time_limit_and_a_dry_run_has_none() {
    let limit = |mode, time| Host::new("/none", mode).limit_run(time);
    let hour = Some(Duration::from_secs(3600));
    limit(Mode::Perform, hour);
    assert!(alarm::cancel().is_some());
    limit(Mode::Perform, hour);
    limit(Mode::Perform, None);
    assert_eq!(alarm::cancel(), None);
    limit(Mode::Plan, hour);
    assert_eq!(alarm::cancel(), None);
}

#[test]
fn the_log_of_another_process_is_shared_until_it_is_dropped() {
    let Some(host) = own_root() else {
        let name = "host::process::tests::the_log_of_another_process_is_shared_until_it_is_dropped";
        let printed = passes_again(name, &[]);
        assert!(printed.contains("afterwards") && !printed.contains("meanwhile"));
        return;
    };
    let log = host.path("/proc/42/fd/2");
    create_dir_all(log.parent().unwrap()).unwrap();
    assert!(host.share_log_of(42).is_none());
    write(&log, "before\n").unwrap();
    let say = |text: &[u8]| io::Write::write_all(&mut io::stderr(), text).unwrap();
    let shared = host.share_log_of(42).unwrap();
    say(b"meanwhile\n");
    drop(shared);
    say(b"afterwards\n");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "before\nmeanwhile\n");
}
