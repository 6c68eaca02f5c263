use super::*;

const NOW: u64 = 1_700_000_000;
const MOMENT: Duration = Duration::from_millis(300);

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The answer of a server whose clock shows `time` (seconds since 1970).
fn answer(nonce: Nonce, time: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = 4 << 3 | SERVER;
    packet[1] = 2;
    packet[24..32].copy_from_slice(&nonce);
    let seconds = ((time + TO_1970) as u32).to_be_bytes();
    packet[32..36].copy_from_slice(&seconds);
    packet[40..44].copy_from_slice(&seconds);
    packet[44] = 1;
    packet
}

/// Starts a time server on this loopback address, and returns its address. The server receives one
/// request and sends the packets that `answers` returns, the first of them from another port.
fn server(ip: &str, answers: fn(Nonce) -> Vec<[u8; PACKET]>) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let other = UdpSocket::bind((ip, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; PACKET];
        let (len, client) = socket.recv_from(&mut packet).unwrap();
        assert_eq!((len, packet[0]), (PACKET, 0x23));
        let nonce = packet[40..].try_into().unwrap();
        for (i, answer) in answers(nonce).iter().enumerate() {
            let socket = if i == 0 { &other } else { &socket };
            socket.send_to(answer, client).unwrap();
        }
    });
    address
}

#[test]
fn a_server_is_asked_by_ipv4_and_ipv6_and_only_its_own_answer_counts() {
    for ip in ["127.0.0.1", "::1"] {
        let answers = |nonce| {
            let others = [answer(nonce, NOW + 2000), answer([7; 8], NOW + 1000)];
            [&others[..], &[answer(nonce, NOW)]].concat()
        };
        let time = ask(server(ip, answers), second(10)).unwrap();
        assert!((NOW..NOW + 10).contains(&time.as_secs()), "{ip}: {time:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_an_error() {
    let error = ask(server("::1", |_| Vec::new()), second(1)).unwrap_err();
    assert_eq!(error.to_string(), "no answer within 1 s");
}

#[test]
fn each_request_has_another_random_number() {
    let answers = |nonce: Nonce| {
        assert_ne!(nonce, Nonce::default());
        // Each number is sent back as the fraction of a second.
        let mut packet = answer(nonce, NOW);
        packet[44..48].copy_from_slice(&nonce[..4]);
        vec![packet; 2]
    };
    let ask = || ask(server("::1", answers), second(10)).unwrap();
    assert_ne!(ask(), ask());
}

#[test]
fn half_of_the_time_on_the_way_is_added() {
    let mut packet = answer([0; 8], NOW);
    packet[44] = 0;
    assert_eq!(time(&packet, MOMENT).unwrap(), second(NOW) + MOMENT / 2);
    // The server held the request for an eighth of a second.
    packet[44] = 0x20;
    let expected = second(NOW) + second(1) / 8 + (MOMENT - second(1) / 8) / 2;
    assert_eq!(time(&packet, MOMENT).unwrap(), expected);
}

#[test]
fn a_time_after_2036_is_understood() {
    for seconds in [NOW, (1 << 32) - TO_1970, 4_000_000_000] {
        let packet = answer([0; 8], seconds);
        assert_eq!(time(&packet, MOMENT).unwrap().as_secs(), seconds);
    }
}

#[test]
fn a_packet_that_is_no_answer_to_the_request_does_not_count() {
    let nonce = [7; 8];
    let right = answer(nonce, NOW);
    assert!(is_answer(&right, nonce));
    assert!(!is_answer(&right, [8; 8]));
    assert!(!is_answer(&right[..47], nonce));
    // A client, a broadcast and a symmetric peer.
    for mode in [3, 5, 2] {
        let mut packet = right;
        packet[0] = 4 << 3 | mode;
        assert!(!is_answer(&packet, nonce), "{mode}");
    }
}

#[test]
fn an_answer_without_a_usable_time_is_refused() {
    type Change = fn(&mut [u8; PACKET]);
    let changes: [(Change, &str); 6] = [
        (
            |packet| packet[0] |= 3 << 6,
            "the server's own clock is not set",
        ),
        (|packet| packet[1] = 16, "the server's own clock is not set"),
        (
            |packet| {
                packet[1] = 0;
                packet[12..16].copy_from_slice(b"RA\x1bE");
            },
            "the server refuses to answer (kiss-o'-death RA\\u{1b}E)",
        ),
        // The error is half of the root delay plus the root dispersion.
        (
            |packet| (packet[5], packet[9]) = (20, 7),
            "the server's clock may be wrong by 17 s",
        ),
        (
            |packet| packet[40..].fill(0),
            "the server's answer holds no time",
        ),
        (
            |packet| packet[35] += 1,
            "the times in the server's answer say that the answer came before the request",
        ),
    ];
    for (change, message) in changes {
        let mut packet = answer([0; 8], NOW);
        change(&mut packet);
        let error = time(&packet, MOMENT).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_no_silence() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let error = ask(address, second(10)).unwrap_err().to_string();
    assert_eq!(error, "cannot receive an answer");
}

#[test]
fn a_server_may_be_wrong_by_sixteen_seconds() {
    assert_eq!(short(0x0001_8000), Duration::from_millis(1500));
    assert_eq!(short(0x0000_4000), Duration::from_millis(250));
    let mut packet = answer([0; 8], NOW);
    packet[9] = 16;
    assert!(time(&packet, MOMENT).is_ok());
    packet[11] = 255;
    assert!(time(&packet, MOMENT).is_err());
}
