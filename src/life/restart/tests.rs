use super::*;
use crate::host::Mode;
use crate::life::record::tests::record;
use crate::settings::{self, Sources};
use serde_json::json;
use std::fs;

fn settings(host: &Host, more: &[(&str, &str)]) -> Settings {
    let given = [("K3S_URL", "https://k3s.example:6443")];
    let given = given.iter().chain(more);
    let sources = Sources {
        flags: given.map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        environment: Vec::new(),
        conf: paths::CONF.into(),
    };
    settings::load(host, &sources).unwrap()
}

fn host(k3s: &[u8]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/local/bin")).unwrap();
    fs::write(root.path().join("usr/local/bin/k3s"), k3s).unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    (root, host)
}

#[test]
fn k3s_is_restarted_by_a_record_that_its_digest_matches() {
    let (root, host) = host(b"right");
    let settings = settings(&host, &[]);
    let restart = || by_record(&host, &settings, false).unwrap().is_some();
    assert!(!restart(), "without a record");
    record(b"right").write(&host).unwrap();
    assert!(restart());
    fs::write(root.path().join("usr/local/bin/k3s"), "planted").unwrap();
    assert!(!restart());
}

#[test]
fn after_an_upgrade_the_record_names_the_other_release() {
    let (_root, host) = host(b"next");
    let settings = settings(&host, &[]);
    let digest = Sha256::of(b"next");
    record(b"right").write(&host).unwrap();
    let note = json!({ "tag": "v1.35.0+k3s1", "sha256": digest.to_string() });
    host.write_note(paths::VERIFIED, &note.to_string()).unwrap();
    let record = by_record(&host, &settings, false).unwrap().unwrap();
    assert_eq!(record.sha256, digest);
    assert_eq!(record.tag.as_deref(), Some("v1.35.0+k3s1"));
}

#[test]
fn a_record_for_other_settings_is_not_valid() {
    let (_root, host) = host(b"right");
    record(b"right").write(&host).unwrap();
    let other = Sha256::of(b"other").to_string();
    for change in [
        ("K3S_URL", "https://other.example:6443"),
        ("INSTALL_K3S_BIN_DIR", "/opt/bin"),
        ("MUSTER_K3S_SHA256", &other),
    ] {
        let settings = settings(&host, &[change]);
        let is_valid = by_record(&host, &settings, false).unwrap().is_some();
        assert!(!is_valid, "{change:?}");
    }
}

#[test]
fn only_a_verified_k3s_runs() {
    let (_root, host) = host(b"k3s");
    let digest = Sha256::of(b"k3s");
    let pin = |bytes| Sha256::of(bytes).to_string();
    let plain = settings(&host, &[]);
    let error = verified(&host, &plain).unwrap_err().to_string();
    assert!(error.contains("not verified in this boot"), "{error}");
    let of_image = ("INSTALL_K3S_SKIP_DOWNLOAD", "true");
    assert!(verified(&host, &settings(&host, &[of_image])).is_ok());
    for (bytes, runs) in [(b"k3s", true), (b"old", false)] {
        let pin = pin(bytes);
        let pin = ("MUSTER_K3S_SHA256", pin.as_str());
        for more in [vec![pin], vec![pin, of_image]] {
            assert_eq!(verified(&host, &settings(&host, &more)).is_ok(), runs);
        }
    }
    let note = json!({ "tag": "v1.34.1+k3s1", "sha256": digest.to_string() });
    host.write_note(paths::VERIFIED, &note.to_string()).unwrap();
    assert_eq!(verified(&host, &plain).unwrap(), digest);
    assert_eq!(tag(&host, digest).as_deref(), Some("v1.34.1+k3s1"));
}

#[test]
fn a_k3s_of_another_image_is_no_restart() {
    let (root, host) = host(b"image");
    record(b"image").write(&host).unwrap();
    let settings = settings(&host, &[("INSTALL_K3S_SKIP_DOWNLOAD", "true")]);
    let restart = || by_record(&host, &settings, false).unwrap();
    assert!(restart().is_some());
    fs::write(root.path().join("usr/local/bin/k3s"), "another").unwrap();
    assert!(restart().is_none());
}

#[test]
fn without_settings_the_record_and_the_digest_decide() {
    let (root, host) = host(b"right");
    assert!(by_record_alone(&host).is_none(), "without a record");
    record(b"right").write(&host).unwrap();
    let digest = by_record_alone(&host).map(|record| record.sha256);
    assert_eq!(digest, Some(Sha256::of(b"right")));
    fs::write(root.path().join("usr/local/bin/k3s"), "planted").unwrap();
    assert!(by_record_alone(&host).is_none());
}

#[test]
fn the_record_knows_the_tag_of_its_own_digest_alone() {
    let (_root, host) = host(b"right");
    record(b"right").write(&host).unwrap();
    let of = |bytes| tag(&host, Sha256::of(bytes));
    assert_eq!(of(b"right").as_deref(), Some("v1.34.1+k3s1"));
    assert_eq!(of(b"other"), None);
}

#[test]
fn each_start_of_k3s_is_noted() {
    for kind in [StartKind::FullBoot, StartKind::ByRecord] {
        let (_root, host) = host(b"k3s");
        note_start(&host, kind);
        assert!(Starts::read(&host).started.is_some(), "{kind:?}");
    }
}
