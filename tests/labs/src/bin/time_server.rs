//! A time server that always answers the same time: `time_server ADDRESS SECONDS`, in seconds since 1970.

use std::net::UdpSocket;

/// From 1900, where the protocol counts from, to 1970 (seconds).
const TO_1970: u64 = 2_208_988_800;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, seconds] = &arguments[..] else {
        panic!("time_server ADDRESS SECONDS");
    };
    let seconds: u64 = seconds.parse().expect("a number of seconds");
    // The protocol has the lowest 32 bits.
    let time = ((seconds + TO_1970) as u32).to_be_bytes();
    let socket = UdpSocket::bind((address.as_str(), 123))?;
    println!("the time server listens");
    let mut request = [0; 48];
    loop {
        let (_, client) = socket.recv_from(&mut request)?;
        let mut answer = [0; 48];
        // Version 4, from a server, which has its time from a clock of its own.
        (answer[0], answer[1]) = (4 << 3 | 4, 1);
        answer[24..32].copy_from_slice(&request[40..]);
        answer[32..36].copy_from_slice(&time);
        answer[40..44].copy_from_slice(&time);
        socket.send_to(&answer, client)?;
    }
}
