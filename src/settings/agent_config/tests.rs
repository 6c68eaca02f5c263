use super::*;
use crate::host::Mode;
use crate::settings::{self, Sources};
use std::fs;
use std::os::unix::fs::symlink;

/// The configuration of the node `worker-1` with these files and settings, or the error's text.
fn config(files: &[(&str, &str)], set: &[(&str, &str)]) -> Result<AgentConfig, String> {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = root.path().join(file.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let host = Host::new(root.path(), Mode::Perform);
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let sources = Sources {
        flags: set.iter().map(owned).collect(),
        environment: Vec::new(),
        conf: paths::CONF.into(),
    };
    let node = Hostname::parse("worker-1").unwrap();
    let settings = settings::load(&host, &sources);
    let config = settings.and_then(|settings| settings.agent_config(&host, &node));
    config.map_err(|error| error.to_string())
}

#[test]
fn each_file_is_checked_and_named_with_the_line() {
    let moved = ("K3S_CONFIG_FILE", "/etc/k3s.yaml");
    let argument = ("INSTALL_K3S_EXEC", "--config /opt/k3s.yml");
    for (file, set) in [
        ("/etc/rancher/k3s/config.yaml", &[][..]),
        ("/etc/rancher/k3s/config.yaml.d/10-site.yaml", &[]),
        ("/etc/rancher/k3s/config.yaml.d/60-site.YML", &[]),
        ("/etc/muster/nodes/worker-1.yaml", &[]),
        ("/etc/k3s.yaml", &[moved]),
        ("/etc/k3s.yaml.d/x.yaml", &[moved, argument]),
        ("/opt/k3s.yml", &[argument]),
    ] {
        for (key, shown) in [
            ("node-name", "x"),
            ("with-node-id", "true"),
            ("server", "https://x:6443"),
            ("s", "https://x:6443"),
            ("token", ""),
            ("token-file", "/x"),
            ("rootless", "true"),
            ("tls-san+", ""),
        ] {
            let (value, shown) = match shown {
                "" => ("secret", key.to_string()),
                value => (value, format!("{key}={value:?}")),
            };
            let text = format!("# first\nnode-label: [a=b]\n{key}: {value}\n");
            let error = config(&[(file, &text)], set).unwrap_err();
            let start = format!("{shown} ({file} line 3): ");
            assert!(error.starts_with(&start), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
    let unread = ("/etc/rancher/k3s/config.yaml", "{node-name: x}");
    let error = config(&[unread], &[]).unwrap_err();
    assert!(
        error.starts_with("/etc/rancher/k3s/config.yaml line 1: "),
        "{error}"
    );
}

#[test]
fn a_file_that_k3s_does_not_read_is_not_checked() {
    for file in [
        "/etc/rancher/k3s/config.yaml.d/notes.txt",
        "/etc/rancher/k3s/config.yaml.d/folder.yaml/x.yaml",
        "/etc/rancher/k3s/config.yaml.d/50-node.yaml",
        "/etc/muster/nodes/worker-2.yaml",
    ] {
        assert!(config(&[(file, "node-name: x\n")], &[]).is_ok(), "{file}");
    }
    let other = ("/etc/rancher/k3s/config.yaml", "node-name: x\n");
    assert!(config(&[other], &[("K3S_CONFIG_FILE", "/etc/k3s.yaml")]).is_ok());
}

#[test]
fn the_strongest_data_dir_counts() {
    let data_dir = |files: &[(&str, &str)], set: &[(&str, &str)]| {
        config(files, set).unwrap().data_dir().to_string()
    };
    let main = ("/etc/rancher/k3s/config.yaml", "data-dir: /main\n");
    let drop_in = ("/etc/rancher/k3s/config.yaml.d/10.yaml", "d: '/ten'\n");
    let node = ("/etc/muster/nodes/worker-1.yaml", "data-dir: \"/node\"\n");
    let late = (
        "/etc/rancher/k3s/config.yaml.d/90.yaml",
        "data-dir: /ninety\n",
    );
    let variable = ("K3S_DATA_DIR", "/variable");
    let argument = ("INSTALL_K3S_EXEC", "-d /argument");
    assert_eq!(data_dir(&[], &[]), paths::DATA_DIR);
    assert_eq!(data_dir(&[], &[variable]), "/variable");
    assert_eq!(data_dir(&[main], &[variable]), "/main");
    assert_eq!(data_dir(&[main, drop_in], &[variable]), "/ten");
    assert_eq!(data_dir(&[main, drop_in, node], &[]), "/node");
    assert_eq!(data_dir(&[late, node], &[]), "/ninety");
    assert_eq!(data_dir(&[late, node], &[argument]), "/argument");
}

#[test]
fn paths_must_be_absolute() {
    for (name, shown) in [
        ("K3S_CONFIG_FILE", "<redacted>"),
        ("K3S_DATA_DIR", "https://x"),
    ] {
        let error = config(&[], &[(name, "https://x")]).unwrap_err();
        let start = format!("{name}={shown:?} (--set): must be an absolute path");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_in_a_dry_run_too() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/rancher/k3s");
    fs::create_dir_all(&folder).unwrap();
    // No process has memory at the address 0.
    symlink("/proc/self/mem", folder.join("config.yaml")).unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let error = read(&host, paths::K3S_CONFIG, &mut AgentConfig::default()).unwrap_err();
    assert!(format!("{error:#}").contains("cannot read"), "{error:#}");
}
