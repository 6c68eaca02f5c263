//! Parses the proxy for https URLs (`HTTPS_PROXY`), and the hosts that are reached without a proxy
//! (`NO_PROXY`).

use super::request::base64;
use percent_encoding::percent_decode_str;
use std::net::IpAddr;
use url::{Host, Url};

/// A proxy that opens tunnels (`CONNECT`, RFC 9110, 9.3.6).
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub url: Url,
    exceptions: Vec<Exception>,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    /// All addresses whose first bits are the same as in this address. The number says how many
    /// bits.
    Network(IpAddr, u32),
    /// The host with this name, and all hosts in the domain with this name.
    Domain(String),
}

/// The URL in `text`, the value of `HTTPS_PROXY`; `None` when muster cannot use such a proxy. As in
/// curl, the `http://` before the host may be missing.
pub fn proxy_url(text: &str) -> Option<Url> {
    let url = match text.contains("://") {
        true => Url::parse(text),
        false => Url::parse(&format!("http://{text}")),
    };
    url.ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

impl Proxy {
    /// A proxy for all hosts except those in `no_proxy`, the value of `NO_PROXY`.
    pub fn new(url: Url, no_proxy: Option<&str>) -> Proxy {
        let entries = no_proxy.unwrap_or_default().split(',').map(str::trim);
        let exceptions = entries.filter(|entry| !entry.is_empty()).map(exception);
        Proxy {
            exceptions: exceptions.collect(),
            url,
        }
    }

    /// Whether requests for this URL go through the proxy.
    pub fn is_for(&self, url: &Url) -> bool {
        let except = |host: Host<&str>| {
            let contains = |exception: &Exception| exception.contains(&host);
            self.exceptions.iter().any(contains)
        };
        url.scheme() == "https" && !url.host().is_some_and(except)
    }

    /// The value of `Proxy-Authorization`; `None` when the proxy's URL has no user and no password.
    pub fn authorization(&self) -> Option<String> {
        let (user, password) = (self.url.username(), self.url.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let user: Vec<u8> = percent_decode_str(user).collect();
        let password: Vec<u8> = percent_decode_str(password.unwrap_or_default()).collect();
        let both = [&user[..], b":", &password].concat();
        Some(format!("Basic {}", base64(&both)))
    }
}

fn exception(entry: &str) -> Exception {
    if entry == "*" {
        return Exception::All;
    }
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, bits.parse().ok()),
        None => (entry, Some(128)),
    };
    match (address.parse(), bits) {
        (Ok(address), Some(bits)) => Exception::Network(address, bits),
        _ => Exception::Domain(entry.trim_start_matches('.').to_ascii_lowercase()),
    }
}

impl Exception {
    fn contains(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Exception::All, _) => true,
            (Exception::Domain(domain), Host::Domain(host)) => {
                // The url crate has made the host lower case.
                let below = host.strip_suffix(domain.as_str());
                below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
            (Exception::Network(IpAddr::V4(net), bits), Host::Ipv4(host)) => {
                let differ = net.to_bits() ^ host.to_bits();
                differ.leading_zeros() >= (*bits).min(32)
            }
            (Exception::Network(IpAddr::V6(net), bits), Host::Ipv6(host)) => {
                let differ = net.to_bits() ^ host.to_bits();
                differ.leading_zeros() >= (*bits).min(128)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, no_proxy: &str) -> Proxy {
        Proxy::new(proxy_url(url).unwrap(), Some(no_proxy))
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        let list = "lan, .example.com ,10.0.0.0/8,fd00::/8,192.0.2.1,";
        let some = proxy("http://proxy:3128", list);
        let goes = |proxy: &Proxy, host: &str| {
            let url = format!("https://{host}/x");
            proxy.is_for(&Url::parse(&url).unwrap())
        };
        for host in ["lan", "k3s.LAN:6443", "example.com", "a.example.com"] {
            assert!(!goes(&some, host), "{host}");
        }
        for host in ["10.1.2.3", "[fd12::1]:6443", "192.0.2.1"] {
            assert!(!goes(&some, host), "{host}");
        }
        for host in ["wlan", "lan.org", "11.0.0.1", "192.0.2.2", "[fe80::1]"] {
            assert!(goes(&some, host), "{host}");
        }
        let all = proxy("proxy:3128", "*");
        assert!(!goes(&all, "github.com"));
        assert!(!some.is_for(&Url::parse("http://github.com").unwrap()));
    }

    #[test]
    fn a_proxy_has_a_host_and_may_have_a_user() {
        assert_eq!(proxy("proxy:3128", "").authorization(), None);
        // RFC 7617 has this user and password as its example.
        let with = proxy("http://Aladdin:open%20sesame@proxy", "");
        let basic = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(with.authorization().as_deref(), Some(basic));
        // A user without a password, and a password without a user.
        for (text, basic) in [("http://u@proxy", "dTo="), ("http://:p@proxy", "OnA=")] {
            let value = proxy(text, "").authorization();
            assert_eq!(value, Some(format!("Basic {basic}")), "{text}");
        }
        for text in ["socks5://proxy", "http://", "http://a b"] {
            assert_eq!(proxy_url(text), None, "{text}");
        }
    }
}
