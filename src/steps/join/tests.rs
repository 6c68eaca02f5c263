use super::*;
use crate::host::Mode;
use crate::settings::{self, Sources};
use std::fs;
use std::time::Duration;

#[test]
fn a_token_that_the_server_has_not_seen_is_not_given_to_k3s() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    fs::create_dir_all(host.path("/etc/muster")).unwrap();
    let write = |token: &str| fs::write(host.path(paths::TOKEN), token).unwrap();
    write("accepted");
    let url = ("K3S_URL".to_string(), "https://k3s.lan:6443".to_string());
    let sources = Sources {
        flags: vec![url],
        environment: Vec::new(),
        conf: paths::CONF.into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    let link = ServerLink::new(
        settings.url().unwrap().clone(),
        settings.token(&host).unwrap(),
        &settings.clients(&host),
        Duration::ZERO,
    );
    let run = || run(&host, &settings, &Node::on("eth0"), &link);
    run().unwrap();
    write("another");
    let error = run().unwrap_err().to_string();
    assert!(
        error.ends_with("since the server accepted this node"),
        "{error}"
    );
    assert!(!error.contains("another"), "{error}");
    write("accepted");
    run().unwrap();
}

#[test]
fn a_restart_writes_the_files_that_are_missing_and_keeps_the_password() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let sources = Sources {
        flags: Vec::new(),
        environment: vec![("K3S_TOKEN".into(), "secret".into())],
        conf: paths::CONF.into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    let keep = || keep_files(&host, &settings, &Node::on("eth0")).unwrap();
    let password = || host.read_text(paths::NODE_PASSWORD.path).unwrap();
    keep();
    assert_eq!(host.read_text(paths::RUN_TOKEN.path).unwrap(), "secret\n");
    let derived = password();
    assert!(derived.len() > 16, "{derived}");
    for (before, after) in [("", derived.as_str()), ("known\n", "known\n")] {
        fs::write(host.path(paths::NODE_PASSWORD.path), before).unwrap();
        keep();
        assert_eq!(password(), after);
    }
}

#[test]
fn the_configuration_of_another_node_is_unlinked_and_other_links_stay() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let sources = Sources {
        flags: Vec::new(),
        environment: Vec::new(),
        conf: paths::CONF.into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    let linked_to = |target: &str| {
        host.ensure_link(target, paths::NODE_CONFIG).unwrap();
        node_config(&host, &settings, &Node::on("eth0")).unwrap();
        host.link_target(paths::NODE_CONFIG)
            .map(|target| target.display().to_string())
    };
    assert_eq!(linked_to("/etc/muster/nodes/worker-2.yaml"), None);
    let own = "/etc/muster/nodes/worker-1.yaml";
    let other = "/srv/mine.yaml";
    assert_eq!(linked_to(other).as_deref(), Some(other));
    fs::create_dir_all(host.path(paths::NODES)).unwrap();
    fs::write(host.path(own), "").unwrap();
    assert_eq!(linked_to(other).as_deref(), Some(own));
}
