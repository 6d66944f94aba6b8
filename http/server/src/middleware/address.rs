//! Where a request came from: the peer's address, or what a trusted proxy says.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::limits::HOPS_MAX;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A network in CIDR notation; a lone address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    /// `None` if the text is no network.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return None;
        }
        // Addresses of version 4 stand in the mapped range of version 6.
        let free = width - prefix;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Self { base: number(address) & mask, mask })
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.base
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The client's address: the last of the chain that is no trusted proxy. What an untrusted peer says
/// about itself is ignored.
#[must_use]
pub fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    if trusted.is_empty() {
        return client;
    }
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let chain: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in chain.iter().rev().take(HOPS_MAX) {
        if !is_trusted(client) {
            break;
        }
        match parse_hop(hop.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client.to_canonical()
}

/// An address, perhaps with a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}

/// What one client may hold many of counts as one: the upper half of a version 6 address.
#[must_use]
pub fn bucket(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let ten = Network::parse("10.0.0.0/8").unwrap();
        assert!(
            ten.contains(ip("10.255.0.1")) && !ten.contains(ip("11.0.0.1")) && !ten.contains(ip("::a00:1"))
        );
        assert!(Network::parse("0.0.0.0/0").unwrap().contains(ip("8.8.8.8")));
        assert!(!Network::parse("0.0.0.0/0").unwrap().contains(ip("2001:db8::1")));
        assert!(Network::parse("2001:db8::/32").unwrap().contains(ip("2001:db8:1::")));
        assert!(Network::parse("127.0.0.1").unwrap().contains(ip("127.0.0.1")));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "ten", "::/129"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        for (peer, forwarded, trusted, client_is) in [
            ("1.2.3.4", "9.9.9.9", &trusted[..], "1.2.3.4"),
            ("10.0.0.1", "9.9.9.9", &trusted[..], "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, 9.9.9.9", &trusted[..], "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", &trusted[..], "9.9.9.9"),
            ("10.0.0.1", "9.9.9.9:1234", &trusted[..], "9.9.9.9"),
            ("10.0.0.1", "rubbish", &trusted[..], "10.0.0.1"),
            ("10.0.0.1", "9.9.9.9", &[][..], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, HeaderValue::from_static(forwarded));
            assert_eq!(client(Some(ip(peer)), &headers, trusted), ip(client_is), "{peer} {forwarded}");
        }
    }

    #[test]
    fn one_customer_s_version_6_addresses_share_a_bucket() {
        assert_eq!(bucket(ip("2001:db8::1")), bucket(ip("2001:db8::ffff:1")));
        assert_ne!(bucket(ip("2001:db8::1")), bucket(ip("2001:db8:0:1::1")));
        assert_eq!(bucket(ip("1.2.3.4")), bucket(ip("::ffff:1.2.3.4")));
    }
}
