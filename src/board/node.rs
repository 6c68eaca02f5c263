//! The MAC address, the hostname and the interface of a board, which the identity step finds.

use crate::board::hostname::Hostname;
use crate::board::mac::Mac;

/// A board that has its hostname, and so can become a Kubernetes node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The MAC address of `interface`.
    pub mac: Mac,
    /// The hostname, which is also the Kubernetes node name.
    pub name: Hostname,
    /// The interface whose MAC address names the node, such as `eth0`.
    pub interface: String,
    /// The board's serial number; `None` when the firmware does not give a serial number.
    pub serial: Option<String>,
}

impl Node {
    /// Bytes that identify the board and are the same at every boot: the six bytes of its MAC
    /// address, followed by its serial number.
    pub fn hardware_id(&self) -> Vec<u8> {
        let mut id = self.mac.bytes().to_vec();
        id.extend(self.serial.iter().flat_map(|serial| serial.bytes()));
        id
    }
}

#[cfg(test)]
impl Node {
    /// The node `worker-1` on this interface, for tests.
    pub fn on(interface: &str) -> Node {
        Node {
            mac: Mac::parse("52:54:00:12:34:56").unwrap(),
            name: Hostname::parse("worker-1").unwrap(),
            interface: interface.into(),
            serial: None,
        }
    }
}
