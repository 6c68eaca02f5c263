//! Derives the node password, by which the k3s server recognises a node that registers again.

use crate::board::node::Node;
use ring::hmac;

/// Derives a node's password from a secret. The password is the same at each boot, is different on
/// each board, and cannot be derived without the secret.
///
/// The password is the first 16 bytes, in hex, of the HMAC-SHA-256 of a label and
/// [`Node::hardware_id`], with the secret as the key. The passwords that k3s makes have the same
/// form.
pub fn derive(secret: &str, node: &Node) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"k3s-node-password\0");
    context.update(&node.hardware_id());
    hex::encode(&context.sign().as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::hostname::Naming;
    use crate::board::mac::Mac;

    #[test]
    fn golden_vectors() {
        let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
        let name = Naming::new("worker-", 6).unwrap().of(mac);
        let mut node = Node {
            mac,
            name,
            interface: "eth0".into(),
            serial: None,
        };
        let without_serial = derive("secret", &node);
        assert_eq!(without_serial, "1e3ae0ed88d1544a46c3ad868e9210f2");
        node.serial = Some("10000000abcdef01".into());
        let with_serial = derive("secret", &node);
        assert_eq!(with_serial, "4895dc8c638667d1edc90b72b20c7d30");
        assert_ne!(derive("other", &node), with_serial);
    }
}
