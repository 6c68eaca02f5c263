use super::*;
use crate::host::Mode;
use crate::host::process::tests::{own_root, passes_again};
use std::fs::{create_dir_all, read_to_string, write};

#[test]
fn the_daemon_asks_the_sites_servers_and_else_the_default() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let mut servers = TimeServers {
        named: Vec::new(),
        last: vec!["pool.ntp.org".into()],
    };
    assert_eq!(daemon_servers(&servers, &host), ["pool.ntp.org"]);
    create_dir_all(root.path().join("run/muster")).unwrap();
    write(root.path().join("run/muster/ntp"), "10.0.0.1 $(reboot) -l").unwrap();
    assert_eq!(daemon_servers(&servers, &host), ["10.0.0.1"]);
    servers.named = vec!["ntp.lan".into()];
    assert_eq!(daemon_servers(&servers, &host), ["ntp.lan", "10.0.0.1"]);
}

#[test]
fn only_a_service_that_reads_musters_file_is_started() {
    assert!(is_in_use("NTPD_OPTS=\"-N $(cat /run/muster/ntpd)\"\n"));
    assert!(!is_in_use("# /run/muster/ntpd\nNTPD_OPTS=\"-N -p a\"\n"));
    assert!(!is_in_use(""));
}

#[test]
fn the_daemon_is_started_when_it_does_not_run_or_has_other_servers() {
    let Some(host) = own_root() else {
        let script = ("rc-service", "echo \"$@\" >>\"$MUSTER_TEST_ROOT/started\"");
        let name = "host::time_daemon::tests::\
                    the_daemon_is_started_when_it_does_not_run_or_has_other_servers";
        passes_again(name, &[script]);
        return;
    };
    let put = |path: &str, text: &str| {
        let path = host.path(path);
        create_dir_all(path.parent().unwrap()).unwrap();
        write(path, text).unwrap();
    };
    let mut servers = TimeServers {
        named: vec!["a.lan".into(), "b.lan".into()],
        last: Vec::new(),
    };
    let starts = |servers: &TimeServers| {
        keep_running(&host, servers).unwrap();
        let started = read_to_string(host.path("/started")).unwrap_or_default();
        assert!(
            started.lines().all(|line| line == "ntpd restart"),
            "{started}"
        );
        started.lines().count()
    };
    assert_eq!(starts(&servers), 0, "the operator's own configuration");
    put(
        paths::NTPD_CONF,
        "NTPD_OPTS=\"-N $(cat /run/muster/ntpd)\"\n",
    );
    assert_eq!(starts(&servers), 1);
    let options = || host.read_text(paths::NTPD_OPTIONS.path).unwrap();
    assert_eq!(options(), "-p a.lan -p b.lan\n");
    assert_eq!(starts(&servers), 2, "it does not run");
    put(PID_FILE, "42\n");
    put("/proc/42/comm", "another\n");
    assert_eq!(starts(&servers), 3, "another process has its number");
    put("/proc/42/comm", "ntpd\n");
    assert_eq!(starts(&servers), 3, "it runs");
    servers.named.pop();
    assert_eq!(starts(&servers), 4, "it has other servers");
    assert_eq!(options(), "-p a.lan\n");
    put(PID_FILE, "\n");
    put("/proc/comm", "ntpd\n");
    assert_eq!(starts(&servers), 5, "its file is empty");
}
