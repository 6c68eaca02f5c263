//! The board, once it is known.

use crate::board::hostname::Hostname;
use crate::board::mac::Mac;

/// The board, as the identity step found it.
#[derive(Clone, Debug)]
pub struct Node {
    pub mac: Mac,
    pub name: Hostname,
    /// The interface that names the node.
    pub interface: String,
    /// The board's serial number, where it has one.
    pub serial: Option<String>,
}

impl Node {
    /// What is the board's own at every boot: the six bytes of its MAC address, then those of its serial number.
    pub fn hardware_id(&self) -> Vec<u8> {
        let mut id = self.mac.bytes().to_vec();
        id.extend(self.serial.iter().flat_map(|serial| serial.bytes()));
        id
    }
}
