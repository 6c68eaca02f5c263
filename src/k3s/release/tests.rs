use super::*;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_sums_file_gives_the_digest_of_its_asset_and_of_no_other() {
    let zeros = "0".repeat(64);
    let sums = format!("{zeros}  k3s-airgap-images-arm64.tar\r\n{DIGEST}  k3s-arm64\r\n");
    let digest = Sha256::parse(DIGEST);
    assert_eq!(digest_in_sums(&sums, "k3s-arm64"), digest);
    assert_eq!(digest_in_sums(&sums, "k3s"), None);
    assert_eq!(digest_in_sums(&format!("{DIGEST} *k3s\n"), "k3s"), digest);
    let page = "<html>not a sums file</html>";
    assert_eq!(digest_in_sums(page, "k3s"), None);
    assert_eq!(digest_in_sums("", "k3s"), None);
}

#[test]
fn asset_urls() {
    let tag = Tag::parse("v1.34.1+k3s1").unwrap();
    let url = |base: &str| asset_url(&Url::parse(base).unwrap(), &tag, "k3s-arm64").to_string();
    assert_eq!(url(GITHUB), format!("{GITHUB}/v1.34.1%2Bk3s1/k3s-arm64"));
    let mirror = "https://mirror/v1.34.1%2Bk3s1/k3s-arm64";
    assert_eq!(url("https://mirror/"), mirror);
}

#[test]
fn an_agent_may_be_three_minor_releases_older_and_not_newer() {
    let skew = |agent: &str| {
        let tag = |text: &str| Tag::parse(text).unwrap();
        tag(agent).skew(&tag("v1.34.1+k3s1"))
    };
    for tag in ["v1.34.1+k3s1", "v1.34.9+k3s2", "v1.31.0+k3s1"] {
        assert_eq!(skew(tag), Skew::Supported, "{tag}");
    }
    assert_eq!(skew("v1.35.0+k3s1"), Skew::Newer);
    assert_eq!(skew("v2.0.0+k3s1"), Skew::Newer);
    assert_eq!(skew("v1.30.14+k3s1"), Skew::TooOld);
}

#[test]
fn tags() {
    for text in [
        "v1.34.1+k3s1",
        "v1.34.1-rc1+k3s1",
        "v1.0.0",
        "v1.21.14+k3s1",
    ] {
        assert_eq!(
            Tag::parse(text).map(|tag| tag.to_string()).as_deref(),
            Some(text)
        );
    }
    for text in [
        "",
        "v",
        "1.34.1",
        "v1.34",
        "v1.34.1/../x",
        "v1.34.1+",
        "v1.34.1+..",
        "v1.34.1 k3s1",
        "stable",
        "v1..1",
        "vv1.2.3",
        "v1.2.3.4",
    ] {
        assert_eq!(Tag::parse(text), None, "{text}");
    }
}
