//! The rows: which server in which state, what muster asks it, and what it must do.

use crate::muster_answers::Ask::{self, Accept, Reach, Version};
use crate::muster_answers::Hash::{Certificate, Nothing, WholeAnswer};
use crate::muster_answers::Must::{self, GoOn, Learn, Retry, Stop};
use crate::muster_answers::On::{self, Bare, EmptyUser, File, UnknownBootstrap, WrongPassword};

pub struct Row {
    pub what: &'static str,
    /// The environment and the arguments of the server.
    pub env: &'static [(&'static str, &'static str)],
    pub args: &'static [&'static str],
    /// Whether there is another server, which this one names as its API server.
    pub other: bool,
    pub on: On,
    pub asks: &'static [Ask],
    pub must: Must,
    /// The requests for certificates that the server gets.
    pub certificates: usize,
}

/// A ready server of today, its own token, and no certificate asked for.
const READY: Row = Row {
    what: "",
    env: &[],
    args: &[],
    other: false,
    on: NODE,
    asks: &[Reach],
    must: GoOn,
    certificates: 0,
};

/// One question for the node's certificate.
const ACCEPT: Row = Row {
    asks: &[Accept("n1", "pw")],
    certificates: 1,
    ..READY
};

/// A name that another board had first.
const REJECTED: Row = Row {
    asks: &[Accept("n1", "pw"), Accept("n1", "another")],
    must: Stop(
        "(kubectl -n kube-system delete secret n1.node-password.k3s), or delete the node, which",
    ),
    certificates: 2,
    ..READY
};

/// A first boot: the node is accepted, and its certificate asks for the version.
const BOOT: Row = Row {
    asks: &[Accept("n1", "pw"), Version],
    must: Learn("v1.34.1+k3s1"),
    certificates: 1,
    ..READY
};

/// `muster check` and `muster fetch`, which register nothing.
const CHECK: Row = Row {
    asks: &[Version],
    must: Learn("v1.34.1+k3s1"),
    certificates: 1,
    ..READY
};

const NODE: On = File("node-token");
const AGENT: On = File("agent-token");
const BOOTSTRAP: On = File("bootstrap-token");

const CHAIN: (&str, &str) = ("STANDIN_CHAIN", "1");
const OLD: (&str, &str) = ("STANDIN_KIND", "1.21");
const NEW: (&str, &str) = ("STANDIN_KIND", "1.37");
const STARTING: (&str, &str) = ("STANDIN_STATE", "starting");
const ETCD_ONLY: (&str, &str) = ("STANDIN_STATE", "etcd-only");
const LOCKED: (&str, &str) = ("STANDIN_STATE", "locked");
const NOT_YET: Must = Retry("does not know the join token yet (403 forbidden)");
const WRONG_TOKEN: Must = Stop(
    "does not accept the join token: the token is wrong, or was changed on the server; copy the token for agents (on the server: /var/lib/rancher/k3s/server/agent-token) to",
);
const NOT_THE_ROOT: Must = Stop("k3s's agent would refuse the answer");

macro_rules! front {
    ($rule:literal) => {
        &[("STANDIN_FRONT", $rule)]
    };
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // The CA and its hash (hashCA).
    Row { what: "one certificate, the server's token", ..READY },
    Row { what: "one certificate, the hash of its DER", on: On::Hash(Certificate(0)), must: NOT_THE_ROOT, ..READY },
    Row { what: "one certificate, another hash", on: On::Hash(Nothing), must: Stop("does not match the CA hash in the join token"), ..READY },
    Row { what: "a chain, the server's token", env: &[CHAIN], ..READY },
    Row { what: "a chain, the hash of its root", env: &[CHAIN], on: On::Hash(Certificate(1)), ..READY },
    Row { what: "a chain, the hash of its first certificate", env: &[CHAIN], on: On::Hash(Certificate(0)), must: NOT_THE_ROOT, ..READY },
    Row { what: "a chain, the hash of the whole answer", env: &[CHAIN], on: On::Hash(WholeAnswer), must: NOT_THE_ROOT, ..READY },
    Row { what: "a root before its intermediate, the server's token", env: &[("STANDIN_CHAIN", "root-first")], ..READY },
    Row { what: "a root before its intermediate, the hash of the root", env: &[("STANDIN_CHAIN", "root-first")], on: On::Hash(Certificate(0)), must: NOT_THE_ROOT, ..READY },
    Row { what: "no hash, the password alone", on: Bare, ..READY },
    Row { what: "no hash, an empty user", on: EmptyUser, ..READY },
    Row { what: "cacerts 502", env: front!("GET /cacerts 502"), must: Retry("502"), ..READY },
    Row { what: "cacerts 404", env: front!("GET /cacerts 404"), must: Stop("404"), ..READY },

    // The node is accepted, or it is not yet, or it is refused.
    Row { what: "first boot", ..ACCEPT },
    Row { what: "first boot, 1.21", env: &[OLD], ..ACCEPT },
    Row { what: "first boot, 1.37", env: &[NEW], ..ACCEPT },
    Row { what: "first boot, a chain", env: &[CHAIN], ..ACCEPT },
    Row { what: "second boot", asks: &[Accept("n1", "pw"), Accept("n1", "pw")], certificates: 2, ..ACCEPT },
    Row { what: "another password", ..REJECTED },
    Row { what: "another password, 1.21", env: &[OLD], ..REJECTED },
    Row { what: "another password, 1.37", env: &[NEW], ..REJECTED },
    Row { what: "another password, two boards of one name", must: Stop("delete secret n1.node-password.k3s), or delete the node, which deletes this password too (kubectl delete node n1); if two boards have this name, raise MUSTER_HOSTNAME_LENGTH"), ..REJECTED },
    Row { what: "no name", asks: &[Accept("", "pw")], must: Stop("400 Bad Request: node name not set"), ..ACCEPT },
    Row { what: "the password alone", on: Bare, ..ACCEPT },
    Row { what: "a password with colons, alone", args: &["--token", "a:b::c"], on: Bare, ..ACCEPT },
    Row { what: "an empty user", on: EmptyUser, ..ACCEPT },
    Row { what: "a bootstrap token", on: BOOTSTRAP, ..ACCEPT },
    Row { what: "wrong password in the token", on: WrongPassword, must: WRONG_TOKEN, ..ACCEPT },
    Row { what: "wrong password in the token, 1.21", env: &[OLD], on: WrongPassword, must: WRONG_TOKEN, ..ACCEPT },
    Row { what: "agent-token set, the agents' token", args: &["--agent-token", "x"], on: AGENT, ..ACCEPT },
    Row { what: "agent-token set, the server's token", args: &["--agent-token", "x"], must: WRONG_TOKEN, ..ACCEPT },
    Row { what: "no authenticator yet", env: &[("STANDIN_STATE", "not-initialized")], must: WRONG_TOKEN, ..ACCEPT },
    Row { what: "starting", env: &[STARTING], must: Retry("503 Service Unavailable: runtime core not ready"), ..ACCEPT },
    Row { what: "starting, 1.21", env: &[STARTING, OLD], must: Retry("503 Service Unavailable: runtime core not ready"), ..ACCEPT },
    Row { what: "starting, a bootstrap token", env: &[STARTING], on: BOOTSTRAP, must: NOT_YET, ..ACCEPT },
    Row { what: "starting, a bootstrap token, 1.21", env: &[STARTING, OLD], on: BOOTSTRAP, must: NOT_YET, ..ACCEPT },
    Row { what: "an expired bootstrap token", on: UnknownBootstrap, must: Retry("the token is a bootstrap token that has expired (to list these tokens, run on the server: k3s token list)"), ..ACCEPT },
    Row { what: "etcd-only", env: &[ETCD_ONLY], ..ACCEPT },
    Row { what: "etcd-only, a bootstrap token", env: &[ETCD_ONLY], on: BOOTSTRAP, must: NOT_YET, ..ACCEPT },
    Row { what: "a locked datastore", env: &[LOCKED], must: Retry("database is locked"), ..ACCEPT },
    Row { what: "a locked datastore, 1.21", env: &[LOCKED, OLD], must: Retry("database is locked"), ..ACCEPT },
    Row { what: "a secret without a hash", env: &[("STANDIN_STATE", "no-hash")], must: Retry("password hash not found in node secret"), ..ACCEPT },
    Row { what: "POST 405", env: front!("POST /v1-k3s/client-kubelet.crt 405"), certificates: 2, ..ACCEPT },
    Row { what: "POST 501", env: front!("POST /v1-k3s/client-kubelet.crt 501"), certificates: 2, ..ACCEPT },
    Row { what: "POST 404", env: front!("POST /v1-k3s/client-kubelet.crt 404"), certificates: 2, ..ACCEPT },
    Row { what: "POST 405, asked again", env: front!("POST /v1-k3s/client-kubelet.crt 405"), asks: &[Accept("n1", "pw"), Accept("n1", "pw")], certificates: 3, ..ACCEPT },
    Row { what: "POST 405, another password", env: front!("POST /v1-k3s/client-kubelet.crt 405"), certificates: 3, ..REJECTED },
    Row { what: "a balancer's 403", env: front!("POST /v1-k3s/client-kubelet.crt 403"), must: Retry("cannot check the password of n1 now (403)"), ..ACCEPT },
    Row { what: "a balancer's 429", env: front!("POST /v1-k3s/client-kubelet.crt 429"), must: Retry("429"), ..ACCEPT },
    Row { what: "a balancer's 502", env: front!("POST /v1-k3s/client-kubelet.crt 502"), must: Retry("502"), ..ACCEPT },

    // The version.
    Row { what: "boot", ..BOOT },
    Row { what: "boot, 1.21", env: &[OLD], must: Learn("v1.21.14+k3s1"), ..BOOT },
    Row { what: "boot, 1.37", env: &[NEW], must: Learn("v1.37.0+k3s1"), ..BOOT },
    Row { what: "boot, a chain", env: &[CHAIN], ..BOOT },
    Row { what: "boot, a bootstrap token", on: BOOTSTRAP, ..BOOT },
    Row { what: "boot, POST 405", env: front!("POST /v1-k3s/client-kubelet.crt 405"), certificates: 2, ..BOOT },
    Row { what: "boot, roles not in place", env: &[("STANDIN_ROLES_DELAY_MS", "3600000")], must: Retry("cannot get path"), ..BOOT },
    Row { what: "boot, etcd-only, another server", env: &[ETCD_ONLY], other: true, ..BOOT },
    Row { what: "boot, etcd-only, no other server", env: &[ETCD_ONLY], must: Retry("does not know an API server yet"), ..BOOT },
    Row { what: "boot, etcd-only, the other is down", env: &[ETCD_ONLY, ("STANDIN_APISERVERS", "127.0.0.1:1")], must: Retry("127.0.0.1:1"), ..BOOT },
    Row { what: "boot, a balancer that ends TLS", env: front!("no-client-certificates"), must: Retry("must pass TLS through (layer 4)"), ..BOOT },
    Row { what: "boot, version 404", env: front!("GET /version 404"), must: Retry("404"), ..BOOT },
    Row { what: "boot, version 502", env: front!("GET /version 502"), must: Retry("502"), ..BOOT },
    Row { what: "check", ..CHECK },
    Row { what: "check, 1.21", env: &[OLD], must: Learn("v1.21.14+k3s1"), ..CHECK },
    Row { what: "check, starting", env: &[STARTING], must: Retry("apiserver not ready"), ..CHECK },
    Row { what: "check, wrong password in the token", on: WrongPassword, must: WRONG_TOKEN, ..CHECK },
    Row { what: "check, asked again", asks: &[Version, Version], ..CHECK },
];
