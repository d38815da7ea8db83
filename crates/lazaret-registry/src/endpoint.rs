use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;

use crate::RegistryError;

/// The registry behind the name `docker.io`.
const HUB_HOST: &str = "registry-1.docker.io";

/// Which schemes may be tried for a registry, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS and nothing else.
    Tls,
    /// The user asked for plain HTTP.
    Plain,
    /// A loopback address: plain HTTP, or TLS where the server wants it.
    Loopback,
}

/// The host that serves a registry name.
pub fn host_of(registry: &str) -> &str {
    if registry == "docker.io" { HUB_HOST } else { registry }
}

/// How a registry may be spoken to.
pub(crate) fn transport(registry: &str, plain_http: &[String]) -> Transport {
    if is_loopback(host_without_port(registry)) {
        Transport::Loopback
    } else if plain_http.iter().any(|listed| listed.eq_ignore_ascii_case(registry)) {
        Transport::Plain
    } else {
        Transport::Tls
    }
}

/// The address of a registry under a scheme.
pub(crate) fn base(scheme: &str, registry: &str) -> Result<Url, RegistryError> {
    let host = host_of(registry);
    let bad = |reason: String| RegistryError::BadName { name: registry.to_owned(), reason };
    let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|e| bad(e.to_string()))?;
    // What a URL reads as user, path or query is no host.
    if url.path() != "/" || !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(bad("it is no host name with an optional port".to_owned()));
    }
    Ok(url)
}

/// The address that was given for a registry: scheme and host, nothing else.
pub(crate) fn given(registry: &str, address: &str) -> Result<Url, RegistryError> {
    let bad = || RegistryError::BadName {
        name: registry.to_owned(),
        reason: format!("its address `{address}` is not of the form https://host:port"),
    };
    let (scheme, host) = address.split_once("://").ok_or_else(bad)?;
    if !matches!(scheme, "http" | "https") {
        return Err(bad());
    }
    base(scheme, host.trim_end_matches('/'))
}

/// The host part of `host[:port]`, `[v6][:port]`.
pub(crate) fn host_without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(v6, _)| v6),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Whether a host name or address is this machine's loopback.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
        return true;
    }
    host.parse::<IpAddr>().is_ok_and(|ip| canonical(ip).is_loopback())
}

/// Whether an address is one that only this machine or its link can mean: a registry elsewhere
/// has no business sending a client there (cloud metadata services live on such addresses).
pub(crate) fn is_local_only(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    is_loopback(host)
        || bare.parse::<IpAddr>().is_ok_and(|ip| match canonical(ip) {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
        })
}

fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => mapped(v6).unwrap_or(ip),
        IpAddr::V4(_) => ip,
    }
}

fn mapped(v6: Ipv6Addr) -> Option<IpAddr> {
    v6.to_ipv4_mapped().map(IpAddr::V4)
}

/// Host and port of a URL as it is shown and compared.
pub(crate) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.to_string(),
    }
}

/// Whether two URLs have the same origin: scheme, host and port (RFC 6454).
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_loopback_and_listed_hosts_may_go_without_tls() {
        let listed = ["reg.example:5000".to_owned()];
        for (registry, wanted) in [
            ("localhost:5000", Transport::Loopback),
            ("127.0.0.1", Transport::Loopback),
            ("127.9.9.9:1", Transport::Loopback),
            ("[::1]:5000", Transport::Loopback),
            ("[::ffff:127.0.0.1]:5000", Transport::Loopback),
            ("reg.example:5000", Transport::Plain),
            ("REG.example:5000", Transport::Plain),
            ("reg.example", Transport::Tls),
            ("reg.example:5001", Transport::Tls),
            ("localhost.example", Transport::Tls),
            ("127.0.0.1.example", Transport::Tls),
            ("docker.io", Transport::Tls),
        ] {
            assert_eq!(transport(registry, &listed), wanted, "{registry}");
        }
    }

    #[test]
    fn docker_io_means_the_registry_of_docker_hub() {
        assert_eq!(base("https", "docker.io").unwrap().as_str(), "https://registry-1.docker.io/");
        assert_eq!(base("https", "quay.io").unwrap().as_str(), "https://quay.io/");
    }

    #[test]
    fn a_registry_name_cannot_smuggle_another_host() {
        for bad in ["user@reg.example", "reg.example/path", "reg.example?x", ""] {
            assert!(base("https", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_this_machine_and_its_link_are_known() {
        for local in ["localhost", "127.0.0.1", "169.254.169.254", "[fe80::1]", "0.0.0.0", "::1"] {
            assert!(is_local_only(local), "{local}");
        }
        for other in ["192.0.2.1", "registry.example", "2001:db8::1"] {
            assert!(!is_local_only(other), "{other}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(same_origin(&url("https://a.example/x"), &url("https://a.example:443/y")));
        assert!(!same_origin(&url("https://a.example/"), &url("http://a.example/")));
        assert!(!same_origin(&url("https://a.example/"), &url("https://a.example:8443/")));
        assert!(!same_origin(&url("https://a.example/"), &url("https://b.example/")));
    }
}
