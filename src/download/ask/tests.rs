use super::*;
use crate::board::node::Node;
use crate::download::asset::Asset;
use crate::host::{Host, Mode};
use crate::http::Timeouts;
use crate::k3s::release::Tag;

#[test]
fn a_pinned_or_recorded_digest_needs_no_new_verification() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let (one, other) = (Sha256::of(b"one"), Sha256::of(b"other"));
    let node = Node::on("eth0");
    let is_verified = |pin, tag: &str, installed| {
        let install = Install {
            host: &host,
            node: &node,
            asset: Asset::K3s,
            pin,
            minimum_rate: Timeouts::default().minimum_rate,
            tag: Tag::parse(tag).unwrap(),
            target: "/k3s".into(),
            mirrors: Vec::new(),
            server_sums: None,
        };
        install.verified_this_boot(installed)
    };
    let tag = "v1.34.1+k3s1";
    assert!(!is_verified(None, tag, one), "nothing is recorded");
    verified::write(&host, Asset::K3s.record(), tag, one).unwrap();
    for (pin, tag, installed, expected) in [
        (None, tag, one, true),
        (None, tag, other, false),
        (None, "v1.35.0+k3s1", one, false),
        (None, "v1.35.0+k3s1", other, false),
        (Some(other), tag, one, false),
        (Some(other), tag, other, true),
    ] {
        assert_eq!(is_verified(pin, tag, installed), expected);
    }
}
