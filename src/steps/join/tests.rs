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
