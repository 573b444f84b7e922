//! Names and addresses by which clients know the server.

use std::net::IpAddr;

use rustls::pki_types::{DnsName, ServerName};

/// A name or an address as certificates and clients write it.
pub fn name(text: &str) -> Option<String> {
    let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    match ServerName::try_from(bare.as_str()).ok()? {
        ServerName::IpAddress(_) => Some(bare.parse::<IpAddr>().ok()?.to_string()),
        _ => DnsName::try_from(bare.as_str()).ok().map(|name| name.as_ref().to_owned()),
    }
}
