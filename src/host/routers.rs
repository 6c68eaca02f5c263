//! Asks the routers of a link for DNS servers. With IPv6 the kernel itself takes addresses and
//! routes from router advertisements. But the kernel ignores the DNS servers in an advertisement,
//! so muster reads the DNS servers.

use super::Host;
use super::router_advertisement::{Advertisement, parse};
use super::routes::default_interface;
use anyhow::{Context, Result};
use log::warn;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{Ipv6MulticastHops, Ipv6RecvHopLimit};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    recvmsg, sendto, setsockopt, socket,
};
use std::io::IoSliceMut;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// The multicast address of all routers of a link.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// A router solicitation: type 133, and no option. The kernel adds the checksum.
const SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];
/// The hop limit of solicitations and advertisements. Each router on the way decreases the hop
/// limit, so a message that arrives with this value was sent on the same link.
const HOP_LIMIT: i32 = 255;
/// The time between the first two solicitations (RTR_SOLICITATION_INTERVAL of RFC 4861). It doubles
/// with each solicitation.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
/// The time from the first solicitation until the board can use what a router answers. The router
/// answers within 0.5 s (MAX_RA_DELAY_TIME of RFC 4861). After that, the kernel needs 1 to 2 s to
/// check that no other host has the board's new address.
const ANSWER: Duration = Duration::from_secs(3);
/// The longest time between two solicitations.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Makes the kernel accept router advertisements even while it forwards packets, because k3s turns
/// forwarding on. Without this the board's IPv6 default route would end after the lifetime that the
/// router gave it. Does nothing when the operator has turned router advertisements off.
pub fn keep_advertisements(host: &Host, interface: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/accept_ra");
    let takes_some = host.read_text(&path).is_ok_and(|text| text.trim() == "1");
    if takes_some && let Err(error) = host.write_kernel_file(&path, "2") {
        warn!("{error:#}; so the board may lose its IPv6 default route when k3s runs");
    }
}

/// Whether the IPv6 default route goes over `interface`; false when there is no such route.
pub fn is_default_route(host: &Host, interface: &str) -> Result<bool> {
    let v6 = host.read_text("/proc/net/ipv6_route")?;
    Ok(default_interface("", &v6) == Some(interface))
}

/// The routers of an interface's link.
pub struct Routers {
    interface: String,
    link: Option<Link>,
    times: Times,
}

/// When solicitations are sent.
struct Times {
    /// When the first solicitation was sent (time since boot).
    first: Option<Duration>,
    /// When the next solicitation is due (time since boot).
    next: Duration,
    /// The time between the next solicitation and the one after it.
    pause: Duration,
}

struct Link {
    socket: OwnedFd,
    interface_index: u32,
}

impl Routers {
    /// The routers of the link of `interface`. Nothing is sent yet.
    pub fn new(interface: &str) -> Routers {
        Routers {
            interface: interface.into(),
            link: None,
            times: Times::new(),
        }
    }

    /// Sends a solicitation to the routers, if the pause after the previous solicitation is over.
    /// Returns the newest advertisement that has come since the previous call. It does not wait for
    /// an advertisement. `now` is the time since boot.
    pub fn ask(&mut self, now: Duration) -> Result<Option<Advertisement>> {
        let link = match &self.link {
            Some(link) => link,
            None => {
                let link = Link::open(&self.interface);
                let link = link.context("cannot listen for router advertisements")?;
                self.link.insert(link)
            }
        };
        if now >= self.times.next {
            link.solicit()?;
            self.times.sent(now);
        }
        let mut last = None;
        while let Some(found) = link.receive()? {
            last = parse(&found).or(last);
        }
        Ok(last)
    }

    /// Whether a router may still answer the first solicitation, because less than `ANSWER` has
    /// passed since it was sent. `now` is the time since boot.
    pub fn may_answer(&self, now: Duration) -> bool {
        self.times.first.is_some_and(|first| now < first + ANSWER)
    }
}

impl Times {
    fn new() -> Times {
        Times {
            first: None,
            next: Duration::ZERO,
            pause: FIRST_PAUSE,
        }
    }

    /// Notes that a solicitation was sent at `now`.
    fn sent(&mut self, now: Duration) {
        self.first.get_or_insert(now);
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl Link {
    fn open(interface: &str) -> nix::Result<Link> {
        let socket = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::IcmpV6,
        )?;
        setsockopt(&socket, Ipv6MulticastHops, &HOP_LIMIT)?;
        setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
        let interface_index = if_nametoindex(interface)?;
        Ok(Link {
            socket,
            interface_index,
        })
    }

    fn solicit(&self) -> Result<()> {
        let routers = SocketAddrV6::new(ALL_ROUTERS, 0, 0, self.interface_index);
        let fd = self.socket.as_raw_fd();
        let sent = sendto(
            fd,
            &SOLICITATION,
            &SockaddrIn6::from(routers),
            MsgFlags::empty(),
        );
        sent.context("cannot send a router solicitation to the IPv6 routers")?;
        Ok(())
    }

    /// The next ICMPv6 packet that has come; `None` when there is none. The packet is returned
    /// empty when it is not from a router of this link.
    fn receive(&self) -> Result<Option<Vec<u8>>> {
        let mut packet = [0; 1500];
        let mut parts = [IoSliceMut::new(&mut packet)];
        let mut control = nix::cmsg_space!(i32);
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::empty();
        let message = match recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut control), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error).context("cannot receive router advertisements"),
        };
        let is_near = message
            .cmsgs()?
            .any(|part| matches!(part, ControlMessageOwned::Ipv6HopLimit(HOP_LIMIT)));
        // A router must send from a link-local address. For such an address the kernel also says on
        // which interface the message arrived. All other messages are ignored.
        let is_here = message.address.is_some_and(|from| {
            from.scope_id() == self.interface_index && from.ip().is_unicast_link_local()
        });
        let len = if is_near && is_here { message.bytes } else { 0 };
        Ok(Some(packet[..len].to_vec()))
    }
}

#[cfg(test)]
mod tests;
