//! Settings that are wrong: each is reported in one line that names setting, value and source.

use crate::root::{Root, SECRET, assert_one_line, stderr, stdout};
use std::process::Output;

#[test]
fn a_bad_flag_is_reported_in_one_line_with_value_and_source() {
    let set = |word: &'static str| ["--dry-run", "--set", word];
    let cases: &[(&str, [&str; 3], &[&str])] = &[
        (
            "http",
            set("K3S_URL=http://a"),
            &["K3S_URL=\"http://a\" (--set)", "https://"],
        ),
        (
            "no url",
            set("K3S_URL=nonsense"),
            &["K3S_URL=\"nonsense\" (--set)", "URL"],
        ),
        (
            "no scheme",
            set("K3S_URL=k3s.lan:6443"),
            &["begin with https://, as in https://k3s.lan:6443"],
        ),
        (
            "proxy",
            set("HTTPS_PROXY=socks5://proxy.lan:1080"),
            &[
                "HTTPS_PROXY=\"",
                "(--set)",
                "must be the URL of an http or https proxy",
            ],
        ),
        (
            "path",
            set("K3S_URL=https://a:6443/x"),
            &["K3S_URL=", "(--set)", "path"],
        ),
        (
            "unknown",
            set("MUSTER_NAME=x"),
            &["MUSTER_NAME", "(--set)", "no such setting; muster --help"],
        ),
        (
            "mistyped",
            set("MUSTER_NPT=x"),
            &["MUSTER_NPT (--set)", "did you mean MUSTER_NTP?"],
        ),
        (
            "token in argv",
            set("K3S_TOKEN=abc"),
            &["K3S_TOKEN=<redacted> (--set)", "/etc/muster/token"],
        ),
        (
            "prefix",
            set("MUSTER_HOSTNAME_PREFIX=Worker_"),
            &["MUSTER_HOSTNAME_PREFIX=\"Worker_\" (--set)", "DNS label"],
        ),
        (
            "length 0",
            set("MUSTER_HOSTNAME_LENGTH=0"),
            &["MUSTER_HOSTNAME_LENGTH=\"0\" (--set)", "1 to 40"],
        ),
        (
            "length 41",
            set("MUSTER_HOSTNAME_LENGTH=41"),
            &["MUSTER_HOSTNAME_LENGTH=\"41\" (--set)"],
        ),
        (
            "length x",
            set("MUSTER_HOSTNAME_LENGTH=x"),
            &["MUSTER_HOSTNAME_LENGTH=\"x\" (--set)"],
        ),
        (
            "dhcp",
            set("MUSTER_DHCP=maybe"),
            &["MUSTER_DHCP=\"maybe\" (--set)", "yes or no"],
        ),
        (
            "mirror",
            set("MUSTER_MIRRORS=githib"),
            &["MUSTER_MIRRORS=\"githib\" (--set)", "githib is neither"],
        ),
        (
            "mirror by ftp",
            set("MUSTER_MIRRORS=ftp://m/k3s"),
            &["MUSTER_MIRRORS=", "begin with https:// or http://"],
        ),
        (
            "digest",
            set("MUSTER_K3S_SHA256=abc"),
            &["MUSTER_K3S_SHA256=\"abc\" (--set)", "64 hex"],
        ),
        (
            "version",
            set("INSTALL_K3S_VERSION=latest"),
            &["INSTALL_K3S_VERSION=\"latest\" (--set)", "v1.34.1+k3s1"],
        ),
        (
            "half a version",
            set("INSTALL_K3S_VERSION=v1.34.1"),
            &["must be a whole release tag, such as v1.34.1+k3s1"],
        ),
        (
            "no and a name",
            set("MUSTER_NTP=no pool"),
            &["MUSTER_NTP=\"no pool\" (--set)", "write `no` alone"],
        ),
        (
            "exec",
            set("INSTALL_K3S_EXEC=agent --token=abc"),
            &["INSTALL_K3S_EXEC=<redacted> (--set)", "argument"],
        ),
        (
            "exec names the node",
            set("INSTALL_K3S_EXEC=--node-name foo"),
            &["INSTALL_K3S_EXEC=\"--node-name foo\" (--set): node-name: muster names"],
        ),
        (
            "vpn secret",
            set("K3S_VPN_AUTH=abc"),
            &[
                "K3S_VPN_AUTH=<redacted> (--set): refused",
                "K3S_VPN_AUTH_FILE",
            ],
        ),
        (
            "config url",
            set("K3S_CONFIG_FILE=https://a/config.yaml"),
            &["K3S_CONFIG_FILE=\"<redacted>\" (--set)", "absolute"],
        ),
        (
            "commit",
            set("INSTALL_K3S_COMMIT=abc"),
            &["INSTALL_K3S_COMMIT (--set): a build of a commit"],
        ),
        (
            "no variable of the install script",
            set("INSTALL_K3S_MIRROR=abc"),
            &["INSTALL_K3S_MIRROR (--set)", "no such variable"],
        ),
        (
            "interface",
            set("MUSTER_INTERFACE=eth9"),
            &[
                "MUSTER_INTERFACE=\"eth9\" (--set)",
                "the interfaces are eth0",
            ],
        ),
        (
            "interface name",
            set("MUSTER_INTERFACE=../x"),
            &["MUSTER_INTERFACE=\"../x\" (--set)"],
        ),
        (
            "token file",
            set("K3S_TOKEN_FILE=/none"),
            &["K3S_TOKEN_FILE=\"/none\" (--set)", "no such file"],
        ),
        (
            "node secret",
            set("MUSTER_NODE_SECRET_FILE=/none"),
            &["MUSTER_NODE_SECRET_FILE=\"/none\" (--set)", "no such file"],
        ),
        (
            "log",
            set("MUSTER_LOG=a=b=c"),
            &["MUSTER_LOG=\"a=b=c\" (--set)"],
        ),
        (
            "log level",
            set("MUSTER_LOG=info,verbose"),
            &[
                "MUSTER_LOG=\"info,verbose\" (--set)",
                "verbose is not a log level",
            ],
        ),
        (
            "command",
            ["--dry-run", "stats", ""],
            &["STEP=\"stats\" (command line)", "did you mean status?"],
        ),
        (
            "step",
            ["--dry-run", "identity", "reboot"],
            &["STEP=\"reboot\" (command line)", "identity, network"],
        ),
        ("flag", ["--dry-run", "--frob", ""], &["--frob"]),
        (
            "no mirror",
            set("MUSTER_MIRRORS=,"),
            &["MUSTER_MIRRORS=\",\" (--set)", "names no mirror"],
        ),
        (
            "no time server",
            set("MUSTER_NTP=,"),
            &["MUSTER_NTP=\",\" (--set)", "names no time server"],
        ),
        (
            "conf",
            ["--dry-run", "--conf", "/etc/none"],
            &["--conf /etc/none: there is no such file"],
        ),
        (
            "relative conf",
            ["--dry-run", "--conf", "muster.conf"],
            &["--conf muster.conf: must be an absolute path"],
        ),
    ];
    for (name, arguments, words) in cases {
        let root = Root::new();
        assert_one_line(name, &root.muster(arguments), words);
    }
}

#[test]
fn no_message_shows_the_value_of_an_unknown_name() {
    let token = format!("K10{}::node:{SECRET}", "ab".repeat(32));
    let given = format!("MUSTER_TOKEN={token}");
    let expect = |name: &str, output: &Output| {
        assert_one_line(name, output, &["MUSTER_TOKEN (", "no such setting"]);
        assert!(!stderr(output).contains(SECRET), "{}", stderr(output));
    };
    let root = Root::new();
    expect("--set", &root.muster(&["--dry-run", "--set", &given]));
    let mut command = root.command(&["--dry-run"]);
    command.env("MUSTER_TOKEN", &token);
    expect("environment", &command.output().unwrap());
    root.write("proc/cmdline", &format!("quiet {given}\n"));
    expect("kernel command line", &root.muster(&["--dry-run"]));
    root.write("proc/cmdline", "");
    root.write("etc/conf.d/muster", &format!("{given}\n"));
    expect("conf.d", &root.muster(&["--dry-run"]));
}

/// These are mistakes that put a secret where muster expects no secret.
#[test]
fn no_message_shows_a_token_or_a_password_that_is_in_a_wrong_place() {
    let token = format!("K10{}::node:{SECRET}", "ab".repeat(32));
    for given in [
        format!("K3S_NODE_NAME={SECRET}"),
        format!("K3S_TOKEN_FILE={token}"),
        format!("K3S_TOKEN_FILE={SECRET}"),
        format!("MUSTER_NODE_SECRET_FILE={SECRET}"),
        format!("K3S_URL=https://user:{SECRET}@k3s:6443"),
        format!("K3S_URL={token}"),
        format!("MUSTER_MIRRORS=github https://user:{SECRET}@mirror/k3s"),
        format!("INSTALL_K3S_CHANNEL_URL=https://{SECRET}@channels"),
        format!("MUSTER_LOG=https://user:{SECRET}@x/=y=z"),
        // There is no equals sign.
        token.clone(),
    ] {
        let output = Root::new().muster(&["--dry-run", "--set", &given]);
        assert_one_line(&given, &output, &["--set"]);
        assert!(!stderr(&output).contains(SECRET), "{}", stderr(&output));
    }
}

#[test]
fn a_plan_shows_no_password_of_a_url_in_the_agents_arguments() {
    let root = Root::new();
    let arguments = format!("INSTALL_K3S_EXEC=--kubelet-arg=x=https://user:{SECRET}@registry/");
    let output = root.muster(&["--dry-run", "--set", &arguments]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stdout(&output).contains(SECRET), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("@registry/"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn an_interface_with_a_random_address_is_refused_with_the_remedy() {
    let root = Root::new();
    root.write("sys/class/net/eth0/addr_assign_type", "1\n");
    assert_one_line(
        "random",
        &root.muster(&["--dry-run"]),
        &["MUSTER_INTERFACE=\"eth0\" (default)", "random", "hwaddress"],
    );
    // 0 is a permanent address, 2 that of another interface, and 3 one that somebody set.
    for kind in ["0", "2", "3"] {
        root.write("sys/class/net/eth0/addr_assign_type", kind);
        let output = root.muster(&["--dry-run"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}
