//! Indicators in the shape that machines act on.
//!
//! An indicator is the actor's own text. What goes into a rule or a pattern must first have the
//! strict form of its kind, so that nothing in it can be syntax; what has not stays text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lazaret_model::{IndicatorKind, Shared};

/// An indicator whose form was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape<'a> {
    /// Currency in small letters, address in letters and digits.
    Wallet { currency: &'a str, address: &'a str },
    /// A host, where a pool or an address names one, with the whole address if there is a scheme.
    Host { host: Host<'a>, url: Option<&'a str>, port: Option<u16> },
    /// A login at a pool.
    Login(&'a str),
    /// An SSH public key.
    Key { kind: &'a str, base64: &'a str },
    /// SHA-256 of a file or a layer.
    Sha256(&'a str),
    /// TLSH of a script or program.
    Tlsh(&'a str),
    /// A variable or label.
    Setting { name: &'a str, value: &'a str },
    /// Text that is shown and nothing else.
    Text,
}

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// By name.
    Name(&'a str),
    /// By address.
    V4(Ipv4Addr, &'a str),
    /// By address.
    V6(Ipv6Addr, &'a str),
}

impl<'a> Host<'a> {
    /// As it was written.
    pub fn text(self) -> &'a str {
        match self {
            Self::Name(text) | Self::V4(_, text) | Self::V6(_, text) => text,
        }
    }
}

/// The shape of what is shared.
pub fn of(shared: &Shared) -> Shape<'_> {
    let value = shared.indicator.value.as_str();
    let shape = match shared.indicator.kind {
        IndicatorKind::Wallet => wallet(value),
        IndicatorKind::Pool | IndicatorKind::Url | IndicatorKind::Host => contact(value),
        IndicatorKind::PoolLogin => login(value),
        IndicatorKind::SshKey => key(value),
        IndicatorKind::ScriptHash | IndicatorKind::ElfHash | IndicatorKind::Layer => {
            sha256(value.strip_prefix("sha256:").unwrap_or(value))
        }
        IndicatorKind::FuzzyHash => tlsh(value),
        IndicatorKind::Environment | IndicatorKind::Label => setting(value),
        IndicatorKind::BuilderTrace => None,
    };
    shape.unwrap_or(Shape::Text)
}

/// Whether it speaks for this actor by itself wherever it is met: nobody else has it, and it names
/// something of theirs.
pub fn speaks_alone(shared: &Shared) -> bool {
    if shared.elsewhere > 0 {
        return false;
    }
    match of(shared) {
        Shape::Wallet { .. } | Shape::Key { .. } | Shape::Login(_) => true,
        // A path at a public host is one customer's; the host is everybody's. So may be one from which members
        // merely fetch, and a pool by its name.
        Shape::Host { host, url, .. } => {
            shared.bits > BY_NAME && (!public(host) || url.is_some_and(has_path))
        }
        // A file or a layer may be that of a public base of which no other image was seen yet.
        Shape::Sha256(_) | Shape::Tlsh(_) | Shape::Setting { .. } | Shape::Text => false,
    }
}

/// What a name says at the most with which no finding says that harm is done: docs/CAMPAIGNS.md.
const BY_NAME: f64 = 4.0;

fn has_path(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('/').is_some_and(|(_, path)| path.len() > 3)
}

fn wallet(value: &str) -> Option<Shape<'_>> {
    let (currency, address) = value.split_once(':')?;
    let named = (2..=12).contains(&currency.len())
        && currency.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let formed = (20..=200).contains(&address.len()) && address.bytes().all(|b| b.is_ascii_alphanumeric());
    (named && formed).then_some(Shape::Wallet { currency, address })
}

fn login(value: &str) -> Option<Shape<'_>> {
    let formed = (6..=200).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b));
    formed.then_some(Shape::Login(value))
}

fn contact(value: &str) -> Option<Shape<'_>> {
    if value.len() > 500 {
        return None;
    }
    let (url, rest) = match value.split_once("://") {
        Some((scheme, rest)) => {
            let mut bytes = scheme.bytes();
            let formed = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
                && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b));
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()+,;=%".contains(&b);
            if !formed || !rest.bytes().all(plain) {
                return None;
            }
            (Some(value), rest)
        }
        None => (None, value),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if url.is_none() && authority != value {
        return None;
    }
    let (name, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (name, after) = bracketed.split_once(']')?;
        (name, after.strip_prefix(':'))
    } else if authority.matches(':').count() == 1 {
        let (name, port) = authority.split_once(':')?;
        (name, Some(port))
    } else {
        (authority, None)
    };
    let port = match port {
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => Some(text.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some(Shape::Host { host: host(name)?, url, port })
}

fn host(name: &str) -> Option<Host<'_>> {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return Some(Host::V4(address, name)),
        Ok(IpAddr::V6(address)) => return Some(Host::V6(address, name)),
        Err(_) => {}
    }
    let labels: Vec<&str> = name.split('.').collect();
    let formed = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let top = labels.last().is_some_and(|top| top.len() > 1 && !top.bytes().all(|b| b.is_ascii_digit()));
    (labels.len() > 1 && name.len() <= 253 && top && labels.iter().all(formed)).then_some(Host::Name(name))
}

fn key(value: &str) -> Option<Shape<'_>> {
    let (kind, base64) = value.split_once(' ')?;
    let known = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start));
    let named =
        known && kind.len() <= 60 && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"-@.".contains(&b));
    let body = base64.trim_end_matches('=');
    let formed = (32..=4000).contains(&base64.len())
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
    (named && formed).then_some(Shape::Key { kind, base64 })
}

fn sha256(value: &str) -> Option<Shape<'_>> {
    let formed = value.len() == 64 && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    formed.then_some(Shape::Sha256(value))
}

fn tlsh(value: &str) -> Option<Shape<'_>> {
    let hash = value.split_once(' ').map_or(value, |(_, hash)| hash);
    let hex = hash.strip_prefix("T1")?;
    let formed = hex.len() == 70 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    formed.then_some(Shape::Tlsh(hash))
}

fn setting(value: &str) -> Option<Shape<'_>> {
    let (name, text) = value.split_once('=')?;
    let named = (1..=200).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    let plain = text.len() <= 500 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    (named && plain).then_some(Shape::Setting { name, value: text })
}

/// Hosts that everybody uses: whatever the memory says, they are nobody's own.
const PUBLIC: [&str; 56] = [
    "alpinelinux.org",
    "amazonaws.com",
    "apache.org",
    "bitbucket.org",
    "cloudflare.com",
    "cloudfront.net",
    "cpan.org",
    "crates.io",
    "debian.org",
    "digitaloceanspaces.com",
    "discord.com",
    "docker.com",
    "docker.io",
    "dropbox.com",
    "dropboxusercontent.com",
    "duckdns.org",
    "fastly.net",
    "fedoraproject.org",
    "ghcr.io",
    "github.com",
    "github.io",
    "githubusercontent.com",
    "gitlab.com",
    "gnu.org",
    "gnupg.org",
    "golang.org",
    "google.com",
    "googleapis.com",
    "ifconfig.me",
    "ipify.org",
    "ipinfo.io",
    "jsdelivr.net",
    "kernel.org",
    "letsencrypt.org",
    "mariadb.org",
    "maven.org",
    "microsoft.com",
    "mysql.com",
    "nginx.org",
    "nodejs.org",
    "npmjs.org",
    "openssl.org",
    "oracle.com",
    "pastebin.com",
    "php.net",
    "postgresql.org",
    "pypi.org",
    "python.org",
    "pythonhosted.org",
    "quay.io",
    "redis.io",
    "rubygems.org",
    "rust-lang.org",
    "telegram.org",
    "ubuntu.com",
    "windows.net",
];

/// Whether a host is everybody's: well known, of the machine itself or its network, or a public
/// resolver.
pub fn public(host: Host<'_>) -> bool {
    match host {
        Host::Name(name) => {
            let name = name.to_ascii_lowercase();
            PUBLIC.iter().any(|known| {
                name.strip_suffix(known).is_some_and(|left| left.is_empty() || left.ends_with('.'))
            }) || name.ends_with(".local")
                || name.ends_with(".internal")
                || name.ends_with(".localhost")
        }
        Host::V4(a, _) => {
            let resolvers = [[1, 1, 1, 1], [1, 0, 0, 1], [8, 8, 8, 8], [8, 8, 4, 4], [9, 9, 9, 9]];
            a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_unspecified()
                || a.is_broadcast()
                || a.is_multicast()
                || resolvers.contains(&a.octets())
        }
        Host::V6(a, _) => {
            a.is_loopback()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_unique_local()
                || a.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lazaret_model::Indicator;

    use super::*;

    fn shared(kind: IndicatorKind, value: &str) -> Shared {
        let indicator = Indicator::new(kind, value);
        let (why, place) = (String::new(), String::new());
        Shared { indicator, bits: 9.0, why, members: vec![0], elsewhere: 0, place }
    }

    #[test]
    fn contacts_are_taken_apart_and_what_has_no_form_stays_text() {
        let pool = shared(IndicatorKind::Pool, "stratum+tcp://pool.example.invalid:3333");
        let Shape::Host { host, url, port } = of(&pool) else { panic!("a pool has a host") };
        assert_eq!((host.text(), url.is_some(), port), ("pool.example.invalid", true, Some(3333)));
        let bare = shared(IndicatorKind::Pool, "203.0.113.9:80");
        assert!(matches!(of(&bare), Shape::Host { host: Host::V4(..), url: None, port: Some(80) }));
        let six = shared(IndicatorKind::Url, "http://[2001:db8::1]:80/a");
        assert!(matches!(of(&six), Shape::Host { host: Host::V6(..), .. }));
        for bad in [
            "",
            "x",
            "a b.invalid",
            "http://e.invalid/\"",
            "http://e.invalid/*/",
            "e.invalid/x",
            "1.2.3",
            "a..b",
            "http://e.invalid:x/",
        ] {
            assert_eq!(of(&shared(IndicatorKind::Url, bad)), Shape::Text, "{bad}");
        }
        assert_eq!(of(&shared(IndicatorKind::Wallet, "xmr:4\" or 1")), Shape::Text);
        assert_eq!(of(&shared(IndicatorKind::SshKey, "ssh-rsa A*/")), Shape::Text);
    }

    #[test]
    fn what_everybody_uses_speaks_for_nobody() {
        for host in
            ["github.com", "raw.githubusercontent.com", "127.0.0.1", "169.254.169.254", "8.8.8.8", "10.1.2.3"]
        {
            assert!(!speaks_alone(&shared(IndicatorKind::Host, host)), "{host}");
        }
        assert!(speaks_alone(&shared(IndicatorKind::Host, "notgithub.com")));
        assert!(speaks_alone(&shared(IndicatorKind::Url, "https://github.com/someone/miner")));
        assert!(!speaks_alone(&shared(IndicatorKind::Url, "https://github.com/")));
        let hash = format!("sha256:{}", "5d".repeat(32));
        for kind in [IndicatorKind::ScriptHash, IndicatorKind::ElfHash, IndicatorKind::Layer] {
            assert!(matches!(of(&shared(kind, &hash)), Shape::Sha256(_)));
            assert!(!speaks_alone(&shared(kind, &hash)), "it may be that of a public base");
        }
        let mut fetched = shared(IndicatorKind::Url, "https://get.vendor.invalid/install.sh");
        assert!(speaks_alone(&fetched));
        fetched.bits = 3.5;
        assert!(!speaks_alone(&fetched), "no finding says that harm is done with it");
        let mut elsewhere = shared(IndicatorKind::Host, "pool.example.invalid");
        elsewhere.elsewhere = 1;
        assert!(!speaks_alone(&elsewhere));
    }
}
