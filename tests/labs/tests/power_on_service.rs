//! k3s under OpenRC's supervision, with Alpine's own rc.conf.

use muster_labs::scenarios::{assert_named, assert_order, named_line};
use muster_labs::{Board, Kind, MachineBoard, Options, Request, Site};
use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

/// What belongs to the service: muster, k3s, their supervisor and the log's writer. The service
/// `muster-health` is another one, and goes on.
const OURS: &str = "ps -o pid,args | grep -E '/k3s|bin/muster|supervise-daemon muster|muster.log' \
                    | grep -v -e grep -e muster-health -e 'muster health'";

/// A board of a new site that has joined.
fn joined_board(site: &Site) -> MachineBoard<'_> {
    let mut board = MachineBoard::new(site, &Site::mac(1));
    board.power_on();
    let took = board.joined();
    println!("joined {:.1} s after power-on", took.as_secs_f64());
    board
}

/// How often k3s itself was asked for.
fn downloads(site: &Site) -> usize {
    let requests = site.server_requests().into_iter();
    requests
        .filter(|request| request.path.ends_with("/k3s-arm64"))
        .count()
}

/// Kills k3s; its pid, and when.
fn kill_k3s(board: &MachineBoard) -> (String, SystemTime) {
    let pid = board.shell("pidof k3s").trim().to_string();
    let killed = SystemTime::now();
    board.shell(&format!("kill -KILL {pid}"));
    (pid, killed)
}

/// Waits until the server hears the node of another k3s than the one with this pid.
fn wait_until_back(board: &MachineBoard, pid: &str, killed: SystemTime) {
    board.shell_until(&format!(
        "new=$(pidof k3s) && [ -n \"$new\" ] && [ \"$new\" != {pid} ]"
    ));
    let took = board.site().wait_joined(&board.name(), killed, || None);
    println!("back {:.1} s after the kill", took.as_secs_f64());
}

/// The release's image archive is where k3s imports it from, with the digest of the checksum file,
/// and was asked for once.
fn assert_images(board: &MachineBoard) {
    let (site, folder) = (board.site(), "/var/lib/rancher/k3s/agent/images");
    let sums = fs::read_to_string(site.release(true).join(site.assets().1)).unwrap();
    let images = sums.lines().find(|line| line.ends_with(site.images()));
    let found = board.shell(&format!("cd {folder} && sha256sum *"));
    assert_eq!(found.trim(), images.expect("a line for the images"));
    let requests = site.server_requests().into_iter();
    let asked = requests.filter(|request| request.path.ends_with(site.images()));
    assert_eq!(asked.count(), 1);
}

#[test]
fn k3s_is_supervised_killed_stopped_and_started() {
    let site = Site::new(Options::of(Kind::Machine));
    site.add_images(&vec![7; 8 << 20]);
    site.fill_server();
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    // The root is half of it. 992 MB are what the shortest image archive to be expected needs.
    board.memory = 2560;
    board.overlay.set("MUSTER_AIRGAP_IMAGES", "yes");
    board.power_on();
    let took = board.joined();
    println!("joined {:.1} s after power-on", took.as_secs_f64());
    let fetched = downloads(&site);
    assert_images(&board);

    // muster has become k3s.
    let pid = board.shell("pidof k3s").trim().to_string();
    let child = board.shell("cat /run/openrc/options/muster/child_pid");
    assert_eq!(child.trim(), pid);
    let others = "ps -o args | grep '^/usr/sbin/muster' | grep -v 'muster health'";
    assert_eq!(board.try_shell(others).1, "");

    // Killed, k3s comes back without a download.
    let (pid, killed) = kill_k3s(&board);
    wait_until_back(&board, &pid, killed);
    assert_eq!(downloads(&site), fetched);
    assert_eq!(board.service_state("muster"), "started");

    plan_prints_the_plan(&board);
    check_finds_nothing_missing(&board);
    status_shows_the_boot_and_the_service(&board);
    // The check asks the mirror for the first byte.
    let fetched = downloads(&site);

    // Stopped, nothing of it is left, nor of what k3s leaves behind: a pod's shim, and the pod's own cgroup.
    board.shell(
        "cp /bin/busybox /tmp/containerd-shim-runc-v2\n\
         /tmp/containerd-shim-runc-v2 sleep 600 >/dev/null 2>&1 &\n\
         mkdir /sys/fs/cgroup/kubepods\n\
         sh -c 'echo $$ >/sys/fs/cgroup/kubepods/cgroup.procs; exec sleep 601' >/dev/null 2>&1 &",
    );
    board.shell("rc-service muster stop");
    assert_eq!(board.service_state("muster"), "stopped");
    board.shell_until(&format!("! {OURS}"));
    board.shell_until("! ps -o args | grep -q 'sleep 60[01]'");

    // Started, it comes back without a download.
    let started = SystemTime::now();
    board.shell("rc-service muster start");
    let took = site.wait_joined(&board.name(), started, || None);
    println!("back {:.1} s after the start", took.as_secs_f64());
    assert_eq!(downloads(&site), fetched);
    assert_images(&board);
    assert_eq!(board.service_state("muster"), "started");
}

/// `rc-service muster plan` tells what a boot does, without the token's secret, and asks the server nothing.
fn plan_prints_the_plan(board: &MachineBoard) {
    let site = board.site();
    let before = site.server_requests().len();
    let plan = board.shell("rc-service muster plan");
    let run = format!("K3S_NODE_NAME={} /usr/local/bin/k3s agent", board.name());
    assert!(plan.contains(&run), "{plan}");
    assert_no_secret(site, &plan);
    let mut asked: Vec<Request> = site.server_requests().split_off(before);
    // The running k3s goes on asking.
    asked.retain(|request| !request.path.starts_with("/api/"));
    assert!(asked.is_empty(), "{asked:?}");
}

/// `rc-service muster check` finds all that a boot needs, and succeeds.
fn check_finds_nothing_missing(board: &MachineBoard) {
    let check = board.shell("rc-service muster check");
    let site = board.site();
    let (name, mac) = (board.name(), board.mac());
    let server = format!(
        "{} accepts the token and runs k3s {}",
        site.server_url(),
        site.tag()
    );
    let mirror = format!("{}/static/k3s has k3s {}", site.server_url(), site.tag());
    for (what, found) in [
        ("interface", format!("{name} (eth0 {mac})")),
        ("carrier", "eth0 has a carrier".into()),
        ("route", "there is a default route".into()),
        (
            "cgroups",
            "the kernel has the controllers that k3s needs".into(),
        ),
        (
            "modules",
            "the kernel has the modules that k3s needs".into(),
        ),
        ("server", server),
        ("mirror", mirror),
    ] {
        let line = format!("ok       {what:<9} {found}\n");
        assert!(check.contains(&line), "{line:?}: {check}");
    }
    assert!(
        !check.contains("MISSING") && !check.contains("UNKNOWN"),
        "{check}"
    );
    assert_no_secret(site, &check);
}

/// `rc-service muster status` shows what the boot did, what there is to do, and OpenRC's own state.
fn status_shows_the_boot_and_the_service(board: &MachineBoard) {
    let status = board.shell("rc-service muster status");
    let (site, pid) = (board.site(), board.shell("pidof k3s"));
    for line in [
        format!("hostname  {}\n", board.name()),
        format!("k3s       {}\n", site.tag()),
        "boot      attempt 1, which started k3s ".into(),
        "identity  done ".into(),
        "join      done ".into(),
        format!("to do     nothing: k3s runs as process {}\n", pid.trim()),
        "status: started\n".into(),
    ] {
        assert!(status.contains(&line), "{line:?}: {status}");
    }
    assert_no_secret(site, &status);
}

fn assert_no_secret(site: &Site, text: &str) {
    let token = site.token();
    let (_, secret) = token.rsplit_once(':').expect("a whole token");
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn k3s_killed_20_times_in_a_row_comes_back_20_times() {
    let site = Site::new(Options::of(Kind::Machine));
    let board = joined_board(&site);
    let fetched = downloads(&site);
    // Alpine's own file, whose limits a worker must outlive.
    let limits: BTreeMap<String, String> = board
        .shell("sed -n 's/^\\(respawn_[a-z]*\\)=/\\1 /p' /etc/rc.conf")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    assert_eq!(limits["respawn_max"], "5", "{limits:?}");
    for kill in 1..=20 {
        println!("kill {kill}");
        let (pid, killed) = kill_k3s(&board);
        wait_until_back(&board, &pid, killed);
        assert_eq!(board.service_state("muster"), "started");
    }
    assert_eq!(downloads(&site), fetched);
    let refused = site.refusals();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn with_services_started_in_parallel_it_is_named_first_and_joins() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    let line = "rc_parallel=\"YES\"\n";
    board
        .overlay
        .add("etc/rc.conf.d/parallel.conf", line, 0o644);
    board.power_on();
    board.joined();
    // OpenRC puts a service's name in front of each of its lines, as those of several services may be mixed.
    board.wait_for("networking       | * Starting networking");
    // Which of the two comes first is open here.
    let name = board.name();
    let named = named_line(&board);
    for user in [
        &*format!("Setting hostname to {name} "),
        "Starting networking",
    ] {
        assert_order(&board, &[&named, user]);
    }
    assert_named(&board);
    for service in ["muster", "hostname", "networking"] {
        assert_eq!(board.service_state(service), "started", "{service}");
    }
}
