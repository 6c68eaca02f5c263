use crate::host::{Host, Mode};
use crate::settings::checked::Symlinks;
use crate::settings::{self, Interface, Mirror, Settings, Sources, Version};

/// The settings that these `--set` flags give, or the error's text.
fn settings(flags: &[(&str, &str)]) -> Result<Settings, String> {
    load(flags, &[])
}

fn load(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, String> {
    let root = tempfile::tempdir().unwrap();
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let sources = Sources {
        flags: flags.iter().map(owned).collect(),
        environment: environment.iter().map(owned).collect(),
        conf: "/none".into(),
    };
    let host = Host::new(root.path(), Mode::Plan);
    settings::load(&host, &sources).map_err(|error| error.to_string())
}

#[test]
fn defaults() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.interface, Interface::Named("eth0".into()));
    assert_eq!(settings.version, Version::Server);
    assert_eq!(settings.mirrors, [Mirror::Server, Mirror::Github]);
    assert!(settings.dhcp && !settings.skip_download && settings.fetch_needs_server());
    assert!(settings.url().is_err(), "K3S_URL is required");
}

#[test]
fn invalid_values_name_setting_and_source() {
    for (name, value) in [
        ("MUSTER_INTERFACE", "a/b"),
        ("K3S_URL", "https://k3s/path"),
        ("K3S_URL", "http://k3s"),
        ("MUSTER_K3S_SHA256", "abc"),
        ("INSTALL_K3S_SKIP_DOWNLOAD", "perhaps"),
        ("HTTPS_PROXY", "socks5://proxy"),
        ("MUSTER_NODE_SECRET_FILE", "relative"),
        ("MUSTER_NTP", "a_b"),
        ("MUSTER_NTP", ", ,"),
        ("MUSTER_SYSLOG", "udp://logs"),
        ("MUSTER_LED", "leds/ACT"),
        ("MUSTER_SPREAD", "2s"),
        ("MUSTER_SPREAD", "3601"),
        ("MUSTER_AIRGAP_IMAGES", "all"),
        ("INSTALL_K3S_VERSION", "stable"),
        ("INSTALL_K3S_CHANNEL", "a/b"),
        ("INSTALL_K3S_EXEC", "server"),
        ("INSTALL_K3S_EXEC", "'open"),
        ("MUSTER_MIRRORS", "ftp://mirror"),
        ("MUSTER_MIRRORS", "mirror"),
        ("MUSTER_MIRRORS", "https://mirror?x"),
        ("INSTALL_K3S_ARTIFACT_URL", "mirror"),
        ("INSTALL_K3S_BIN_DIR_READ_ONLY", "perhaps"),
        ("INSTALL_K3S_SYMLINK", "yes"),
    ] {
        let error = settings(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}=")), "{error}");
        assert!(error.contains("(--set): "), "{error}");
    }
}

#[test]
fn a_read_only_folder_has_k3s_already_and_gets_no_links() {
    let read_only = ("INSTALL_K3S_BIN_DIR_READ_ONLY", "true");
    let settings = settings(&[read_only, ("INSTALL_K3S_SYMLINK", "force")]).unwrap();
    assert!(settings.skip_download && settings.symlinks == Symlinks::Skip);
}

#[test]
fn what_the_install_script_would_skip_is_skipped() {
    let skips = |what| settings(&[("INSTALL_K3S_SKIP_DOWNLOAD", what)]).unwrap();
    assert!(skips("binary").skip_download && !skips("selinux").skip_download);
}

#[test]
fn a_channel_is_a_word_below_the_url_of_the_channels() {
    let version = settings(&[("INSTALL_K3S_CHANNEL", "v1.34")])
        .unwrap()
        .version;
    let url = "https://update.k3s.io/v1-release/channels/v1.34";
    assert_eq!(version, Version::Channel(url.parse().unwrap()));
}

#[test]
fn a_named_token_file_replaces_a_token_and_a_token_the_default_file() {
    let token = ("K3S_TOKEN", "secret");
    let secret = ("MUSTER_NODE_SECRET_FILE", "/s");
    let file = ("K3S_TOKEN_FILE", "/t");
    for (environment, expected) in [
        (&[][..], &["/etc/muster/token"][..]),
        (&[token], &[]),
        (&[token, file], &["/t"]),
        (&[file, secret], &["/t", "/s"]),
    ] {
        let settings = load(&[], environment).unwrap();
        assert_eq!(settings.secret_files(), expected);
    }
}

#[test]
fn the_artifact_url_takes_the_place_of_github() {
    let artifacts = ("INSTALL_K3S_ARTIFACT_URL", "https://artifacts/k3s");
    let base = Mirror::Base("https://artifacts/k3s".parse().unwrap());
    let mirrors = settings(&[artifacts]).unwrap().mirrors;
    assert_eq!(mirrors, [Mirror::Server, base]);
    let other = [artifacts, ("MUSTER_MIRRORS", "server")];
    assert_eq!(settings(&other).unwrap().mirrors, [Mirror::Server]);
}

#[test]
fn the_server_is_reached_through_the_proxy_only_where_k3s_does_it_too() {
    let proxy = ("HTTPS_PROXY", "http://proxy:3128");
    let allowed = |value| {
        let allowed = ("K3S_AGENT_HTTP_PROXY_ALLOWED", value);
        settings(&[proxy, allowed]).unwrap().proxy_to_server
    };
    assert!(allowed("true") && allowed("1"));
    assert!(!allowed("") && !allowed("yes") && !allowed("false"));
    assert!(!settings(&[proxy]).unwrap().proxy_to_server);
}

#[test]
fn plain_http_mirrors_need_the_server_unless_the_digest_is_pinned() {
    let needs_server = |mirror, pin: &str| {
        let version = ("INSTALL_K3S_VERSION", "v1.34.1+k3s1");
        let mirrors = ("MUSTER_MIRRORS", mirror);
        let settings = settings(&[version, mirrors, ("MUSTER_K3S_SHA256", pin)]);
        settings.unwrap().fetch_needs_server()
    };
    assert!(needs_server("http://mirror, github", ""));
    assert!(!needs_server("http://mirror, github", &"0".repeat(64)));
    assert!(!needs_server("https://mirror, github", ""));
}
