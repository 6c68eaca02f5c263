use super::*;
use crate::host::Mode;
use crate::host::machine::parse_mounts;
use crate::settings::{self, Sources};
use std::fs;

#[test]
fn an_unsuitable_file_system_is_reported_with_the_remedy() {
    let with = |text: &str, flags: &[(&str, &str)]| {
        file_system_problem(&parse_mounts(text), &AgentConfig::of(flags))
    };
    let on = |kind: &str| with(&format!("22 1 0:21 / / rw - {kind} x rw\n"), &[]);
    assert_eq!(on("tmpfs"), None);
    assert_eq!(on("ext4"), None);
    assert!(on("rootfs").unwrap().contains("switch_root"));
    let remedy = "mount a tmpfs on /var/lib/rancher/k3s";
    assert!(on("overlay").unwrap().contains(remedy));
    let nfs = "22 1 0:21 / / rw - tmpfs x rw\n23 22 0:9 / /var/lib rw - nfs4 x rw\n";
    let problem = with(nfs, &[]).unwrap();
    assert!(problem.contains("nfs4"), "{problem}");
    assert_eq!(with(nfs, &[("data-dir", "/srv/k3s")]), None);
    let both = "22 1 0:21 / / rw - overlay x rw\n23 22 0:9 / /var/lib/rancher rw - tmpfs x rw\n";
    assert_eq!(with(both, &[]), None);
    for (name, value, fits) in [
        ("snapshotter", "native", true),
        ("snapshotter", "fuse-overlayfs", true),
        ("snapshotter", "overlayfs", false),
        ("snapshotter", "stargz", false),
        ("docker", "true", true),
        ("docker", "false", false),
        ("container-runtime-endpoint", "/run/x.sock", true),
    ] {
        let problem = with(nfs, &[(name, value)]);
        assert_eq!(problem.is_none(), fits, "{name}={value}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let mounts = "22 1 0:21 / / rw shared:1 - overlay x rw\n\
                  23 22 0:9 / /sys/fs/cgroup rw shared:2 - cgroup2 x rw\n";
    for (path, text) in [
        ("/proc/self/mountinfo", mounts),
        (cgroup::CONTROLLERS_FILE, "cpu cpuset pids\n"),
    ] {
        let path = host.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let sources = Sources {
        flags: Vec::new(),
        environment: Vec::new(),
        conf: "/none".into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    let (config, node) = (AgentConfig::default(), Node::on("eth0"));
    let error = run(&host, &settings, &config, &node, Board::Here).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("a file system of type overlay"), "{error}");
    assert!(
        error.contains("; the kernel has no cgroup controller memory"),
        "{error}"
    );
}

#[test]
fn a_board_with_too_little_memory_is_warned_about() {
    assert_eq!(memory_warning(AGENT_MEMORY), None);
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let (config, node) = (AgentConfig::default(), Node::on("eth0"));
    let warned = || warnings(&host, &config, &node).unwrap();
    assert_eq!(warned(), Vec::<String>::new());
    fs::create_dir(host.path("/proc")).unwrap();
    fs::write(host.path("/proc/meminfo"), "MemTotal: 400000 kB\n").unwrap();
    let words = "this board has 409 MB of memory; ";
    assert!(matches!(warned().as_slice(), [one] if one.starts_with(words)));
}

#[test]
fn no_space_is_needed_for_a_k3s_that_is_there() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let problem = |image: &str| {
        let sources = Sources {
            flags: vec![("INSTALL_K3S_SKIP_DOWNLOAD".into(), image.into())],
            environment: Vec::new(),
            conf: "/none".into(),
        };
        space_problem(&host, &settings::load(&host, &sources).unwrap()).unwrap()
    };
    for (path, text) in [
        ("/proc/self/mountinfo", "22 1 0:21 / / rw - tmpfs x rw\n"),
        ("/proc/meminfo", "MemAvailable: 1000 kB\n"),
    ] {
        fs::create_dir_all(host.path(path).parent().unwrap()).unwrap();
        fs::write(host.path(path), text).unwrap();
    }
    assert!(problem("false").is_some());
    assert_eq!(problem("true"), None);
    fs::create_dir_all(host.path("/usr/local/bin")).unwrap();
    fs::write(host.path("/usr/local/bin/k3s"), "").unwrap();
    assert_eq!(problem("false"), None);
}
