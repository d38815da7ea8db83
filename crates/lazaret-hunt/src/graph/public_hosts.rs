//! Hosts that many people share, and that therefore say nothing of who made an image.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::LazyLock;

/// One name on each line, with the reason behind it; a name stands for all names below it.
static LIST: &str = include_str!("public_hosts.txt");

static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| names().collect());

fn names() -> impl Iterator<Item = &'static str> {
    LIST.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| !name.starts_with('#'))
}

/// Whose a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A name that somebody registered.
    Own,
    /// An address that somebody has.
    Address,
    /// Open to everybody: what stands there may be anybody's.
    Public,
    /// Within the machine, its network or its cluster.
    Nobodys,
}

/// Whose `host` is, with or without a port.
pub fn standing(host: &str) -> Standing {
    let host = without_port(host.trim()).trim_end_matches('.').to_ascii_lowercase();
    if NAMES.contains(host.as_str()) {
        return Standing::Public;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return if within(address) { Standing::Nobodys } else { Standing::Address };
    }
    let inner = ["localhost", "local", "internal", "lan", "home", "localdomain", "arpa"];
    let Some((_, last)) = host.rsplit_once('.') else {
        // A name of one word is resolved by an engine's or a cluster's own name service.
        return Standing::Nobodys;
    };
    let broken = host.contains(['$', '{', '(', '<', '*', ' ']);
    if inner.contains(&last) || broken {
        return Standing::Nobodys;
    }
    let mut rest = host.as_str();
    while let Some((_, above)) = rest.split_once('.') {
        if NAMES.contains(above) {
            return Standing::Public;
        }
        rest = above;
    }
    Standing::Own
}

/// Whose the host of an address with a scheme, or of `host:port`, is.
pub fn standing_of_url(url: &str) -> Standing {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    standing(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    match host.split_once(':') {
        // More than one colon is an address of IPv6.
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

/// Addresses that mean another machine everywhere (RFC 1918, 3927, 4193, 6598). Those of documentation
/// (RFC 5737) are not among them: nobody can be mistaken for their owner.
fn within(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => within(IpAddr::V4(v4)),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_below_a_public_one_is_public_and_one_that_only_ends_alike_is_not() {
        assert_eq!(standing("raw.githubusercontent.com"), Standing::Public);
        assert_eq!(standing("API.GitHub.com:443"), Standing::Public);
        assert_eq!(standing("evilgithub.com"), Standing::Own);
        assert_eq!(standing("github.com.evil.invalid"), Standing::Own);
        assert_eq!(standing_of_url("https://github.com@203.0.113.9/x"), Standing::Address);
    }

    #[test]
    fn ports_and_brackets_do_not_hide_an_address() {
        assert_eq!(standing("203.0.113.9:8080"), Standing::Address);
        assert_eq!(standing("[2001:db8::1]:80"), Standing::Address);
        assert_eq!(standing("[::1]:80"), Standing::Nobodys);
        assert_eq!(standing("::ffff:10.0.0.1"), Standing::Nobodys);
        assert_eq!(standing("169.254.169.254"), Standing::Public);
    }

    #[test]
    fn every_line_of_the_list_has_one_name_and_a_reason_and_none_is_listed_twice() {
        let mut seen = HashSet::new();
        for line in LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            assert!(!reason.trim().is_empty(), "{line}");
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(seen.insert(name), "{name} stands there twice");
        }
    }
}
