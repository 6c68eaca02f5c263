//! The requests with a password that one board sends until its node is ready.

/// One request to the server with a password.
#[derive(Clone, Copy)]
pub struct Request {
    /// Whether it is for a certificate, of which the server admits [`ADMITTED`] at a time.
    pub certificate: bool,
    /// Whether it names the node, whose password costs another scrypt.
    pub names_node: bool,
}

const fn request(certificate: bool, names_node: bool) -> Request {
    Request {
        certificate,
        names_node,
    }
}

/// The requests of one board in order: the first is muster's, and then the download comes; the
/// others are of k3s's agent (`pkg/agent/config/config.go`).
pub const REQUESTS: [Request; 12] = [
    request(true, true),   // muster registers the node
    request(false, false), // the agent validates its token
    request(false, false), // config
    request(false, false), // client-ca.crt
    request(false, false), // server-ca.crt
    request(true, true),   // serving-kubelet.crt
    request(true, true),   // client-kubelet.crt
    request(true, false),  // client-kube-proxy.crt
    request(true, false),  // client-k3s-controller.crt
    request(false, false), // apiservers
    request(false, false), // readyz
    request(false, false), // config again
];
/// The first requests of the agent, which it begins anew when one of them fails (`get`).
pub const FIRST_OF_AGENT: usize = 1;
pub const LAST_OF_SEQUENCE: usize = 8;
/// All the scrypts for one board.
pub const SCRYPTS: usize = 15;
