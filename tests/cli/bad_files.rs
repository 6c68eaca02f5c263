//! Files that are wrong: each is reported in one line that names the setting or the file, and the line.

use crate::root::{Root, assert_one_line};

#[test]
fn a_bad_file_is_reported_in_one_line_with_value_and_source() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "empty token",
            "etc/muster/token",
            "\n",
            &["K3S_TOKEN_FILE=\"/etc/muster/token\" (default)", "empty"],
        ),
        (
            "cut token",
            "etc/muster/token",
            "K10abc\n",
            &[
                "K3S_TOKEN_FILE=\"/etc/muster/token\" (default)",
                "K10<hash>",
            ],
        ),
        (
            "two lines",
            "etc/muster/token",
            "one\ntwo\n",
            &["K3S_TOKEN_FILE=", "more than one line"],
        ),
        ("no url", "etc/conf.d/muster", "", &["K3S_URL", "not given"]),
        (
            "http in conf.d",
            "etc/conf.d/muster",
            "\nK3S_URL=http://a\n",
            &["K3S_URL=\"http://a\" (/etc/conf.d/muster line 2)"],
        ),
        (
            "unknown in conf.d",
            "etc/conf.d/muster",
            "MUSTER_X=1\n",
            &["MUSTER_X (/etc/conf.d/muster line 1)"],
        ),
        (
            "shell in conf.d",
            "etc/conf.d/muster",
            "K3S_URL=$(id)\n",
            &["K3S_URL (/etc/conf.d/muster line 1)", "expansions"],
        ),
        (
            "space in conf.d",
            "etc/conf.d/muster",
            "K3S_URL = https://a:6443\n",
            &["K3S_URL (/etc/conf.d/muster line 1)", "no space before ="],
        ),
        (
            "kernel token",
            "proc/cmdline",
            "quiet K3S_TOKEN=x\n",
            &["K3S_TOKEN=<redacted> (kernel command line)", "every pod"],
        ),
        (
            "unknown in kernel",
            "proc/cmdline",
            "MUSTER_X=1\n",
            &["MUSTER_X (kernel command line)"],
        ),
        (
            "k3s's configuration",
            "etc/rancher/k3s/config.yaml",
            "node-label: [a=b]\nnode-name: foo\n",
            &["node-name=\"foo\" (/etc/rancher/k3s/config.yaml line 2): muster names the node"],
        ),
        (
            "a token in a drop-in",
            "etc/rancher/k3s/config.yaml.d/10-site.yaml",
            "token: sekret\n",
            &["token (/etc/rancher/k3s/config.yaml.d/10-site.yaml line 1)"],
        ),
        (
            "the node's own configuration",
            "etc/muster/nodes/worker-64e59a.yaml",
            "\n\ntls-san: a\n",
            &["tls-san (/etc/muster/nodes/worker-64e59a.yaml line 3): k3s agent does not"],
        ),
        (
            "garbage mac",
            "sys/class/net/eth0/address",
            "garbage\n",
            &["MUSTER_INTERFACE=\"eth0\" (default)", "garbage"],
        ),
        (
            "zero mac",
            "sys/class/net/eth0/address",
            "00:00:00:00:00:00\n",
            &["MUSTER_INTERFACE=\"eth0\" (default)", "all-zero"],
        ),
        (
            "multicast mac",
            "sys/class/net/eth0/address",
            "01:00:5e:00:00:01\n",
            &["MUSTER_INTERFACE=", "multicast"],
        ),
    ];
    for (name, file, text, words) in cases {
        let root = Root::new();
        root.write(file, text);
        assert_one_line(name, &root.muster(&["--dry-run"]), words);
    }
}
