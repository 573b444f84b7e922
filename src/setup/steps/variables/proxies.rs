//! `PULP_TRUSTED_PROXIES`: whose word counts about the address that a client used, and about the client's own.
//!
//! By default these are the addresses of this machine and of private networks, so that a proxy on the same host, in the
//! same pod or in the same company needs no setting. What a client there can gain by lying is small: answers to itself
//! that name another host, which its `Host` header can do as well, and another address of itself in a log. Answers are
//! never kept for others: caches of Pulp keep them apart by address.

use std::net::IpAddr;

/// What may be written.
pub(super) const ALLOWED: &str =
    "addresses or networks such as 10.0.0.7 or 192.168.0.0/16, with commas between them, `private` or `none`";

/// RFC 1122, 1918, 3927, 4193 and 4291, and the addresses of carriers' and overlay networks (RFC 6598).
const PRIVATE: &[&str] = &[
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Where nobody says otherwise.
pub(super) fn default() -> Vec<String> {
    PRIVATE.iter().map(|&network| network.to_owned()).collect()
}

/// The networks that are named, as nginx and Python read them.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut networks = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "private" => networks.extend(default()),
            "none" => {}
            other => networks.push(network(other)?),
        }
    }
    networks.sort();
    networks.dedup();
    Some(networks)
}

/// An address with the number of its bits that count. Those that do not count are 0, or Python would refuse it.
fn network(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
    };
    (bits <= width).then(|| format!("{}/{bits}", masked(address, width - bits)))
}

/// A network of IPv4 as sockets of IPv6 show it.
pub(super) fn mapped(network: &str) -> Option<String> {
    let (address, bits) = network.split_once('/').filter(|(address, _)| !address.contains(':'))?;
    Some(format!("::ffff:{address}/{}", bits.parse::<u32>().ok()? + 96))
}

/// Without its last bits.
fn masked(address: IpAddr, rest: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::from((u32::from(v4) & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::from((u128::from(v6) & mask).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_written_as_nginx_and_python_take_them() {
        for (given, read) in [
            ("10.0.0.7", "10.0.0.7/32"),
            ("192.168.5.1/16", "192.168.0.0/16"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("FD00::1/8", "fd00::/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(given).unwrap(), [read], "{given}");
        }
        assert_eq!(parse(" 10.0.0.1 ,, 10.0.0.1").unwrap(), ["10.0.0.1/32"]);
    }

    #[test]
    fn words_stand_for_all_private_networks_and_for_nothing() {
        assert_eq!(parse("none").unwrap(), Vec::<String>::new());
        assert_eq!(parse("private,203.0.113.7").unwrap().len(), default().len() + 1);
        assert_eq!(parse("PRIVATE").unwrap().len(), default().len());
    }

    #[test]
    fn a_socket_of_ipv6_shows_mapped_addresses() {
        assert_eq!(mapped("10.0.0.0/8").unwrap(), "::ffff:10.0.0.0/104");
        assert_eq!(mapped("::1/128"), None);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "10.0.0.1/33",
            "::1/129",
            "10.0.0",
            "proxy",
            "10.0.0.1/-1",
            "10.0.0.1/",
            "1;",
            "*",
            "10.0.0.1/+8",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
