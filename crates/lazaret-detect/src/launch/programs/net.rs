//! Programs that connect, and what they bring.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, Location};

use super::super::paper::Paper;
use super::super::process::{self, absolute};
use crate::shell::{Fetched, Hand, Start, Value, World};

/// Whether a program's work is to fetch or to connect.
pub(crate) fn is_fetcher(name: &str) -> bool {
    is_downloader(name)
        || matches!(
            name,
            "nc" | "ncat"
                | "netcat"
                | "nc.traditional"
                | "nc.openbsd"
                | "socat"
                | "telnet"
                | "ssh"
                | "scp"
                | "sftp"
                | "ftp"
                | "tftp"
                | "rsync"
                | "openssl"
                | "pip"
                | "pip3"
                | "npm"
                | "svn"
                | "lftp"
                | "nmap"
                | "masscan"
                | "docker"
                | "kubectl"
                | "redis-cli"
        )
}

fn is_downloader(name: &str) -> bool {
    matches!(
        name,
        "curl"
            | "wget"
            | "wget2"
            | "fetch"
            | "aria2c"
            | "axel"
            | "git"
            | "lwp-download"
            | "lwp-request"
            | "GET"
            | "http"
            | "https"
            | "xh"
            | "lynx"
            | "w3m"
            | "links"
            | "curlie"
            | "hurl"
            | "ftpget"
            | "uclient-fetch"
    )
}

/// An address taken apart.
struct Address {
    url: String,
    host: String,
    port: Option<u16>,
}

fn address(text: &str) -> Option<Address> {
    let at = text.find("://")?;
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "+.-".contains(c));
    let scheme = text[..at].rsplit(outside).next().unwrap_or_default();
    if scheme.is_empty() || scheme == "file" {
        return None;
    }
    let rest = &text[at + 3..];
    let end = rest.find(['/', '?', '#', ' ', '\'', '"', ',', ';', ')']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next().unwrap_or_default();
    let (host, port) = host_port(authority);
    if host.is_empty() {
        return None;
    }
    let stop = rest.find([' ', '\'', '"']).unwrap_or(rest.len());
    Some(Address { url: format!("{scheme}://{}", &rest[..stop]), host, port })
}

fn host_port(text: &str) -> (String, Option<u16>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, rest)) = rest.split_once(']')
    {
        return (host.to_owned(), rest.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host.to_owned(), port.parse().ok()),
        _ => (text.to_owned(), None),
    }
}

fn state(paper: &mut Paper<'_>, start: &Start, name: &str, address: Address, url: bool) {
    let kind = BehaviourKind::Network {
        host: address.host,
        port: address.port,
        url: url.then_some(address.url),
        by: name.to_owned(),
    };
    paper.state(kind, start.certainty, start.because.clone());
}

/// `/inet/tcp/0/HOST/PORT`: gawk's files that are connections (the GNU Awk manual, TCP/IP
/// Networking).
fn through_awk(paper: &mut Paper<'_>, start: &Start, name: &str) {
    for value in start.argv[1..].iter().filter(|v| v.text.len() < 64 << 10) {
        for (at, family) in value.text.match_indices("/inet") {
            let rest = value.text[at + family.len()..].trim_start_matches(['4', '6']);
            let end = rest.find(['"', '\'', ' ', '\n']).unwrap_or(rest.len());
            let mut parts = rest[..end].trim_start_matches('/').splitn(4, '/');
            let [Some("tcp" | "udp"), Some(own), Some(host), Some(port)] =
                [parts.next(), parts.next(), parts.next(), parts.next()]
            else {
                continue;
            };
            // With a port of its own and none of the other it listens.
            if own == "0" && !host.is_empty() && host != "0" {
                let address = Address { url: String::new(), host: host.to_owned(), port: port.parse().ok() };
                state(paper, start, name, address, false);
            }
        }
    }
}

/// States the connections that a program's arguments name.
pub(crate) fn connections(paper: &mut Paper<'_>, start: &Start, name: &str) {
    let args = &start.argv[1..];
    if matches!(name, "awk" | "gawk" | "mawk" | "nawk") {
        through_awk(paper, start, name);
    }
    // Text is handed on by these, and by shells, not connected to.
    let hands_on = super::is_shell(name)
        || super::wrap::is_wrapper(name)
        || matches!(
            name,
            "echo" | "printf" | "sed" | "grep" | "awk" | "cat" | "tee" | "test" | "[" | "export"
        );
    if hands_on {
        return;
    }
    for value in args.iter().take(512) {
        if value.text.len() > 8192 {
            continue;
        }
        if let Some(address) = address(&value.text) {
            let scheme = address.url.split("://").next().unwrap_or_default().to_owned();
            let web = matches!(scheme.as_str(), "http" | "https");
            // A web address among the arguments of any program is often a setting.
            if !web || is_fetcher(name) || super::runs_code(name) && value.text == address.url {
                state(paper, start, name, address, true);
            }
        }
    }
    if is_downloader(name) || matches!(name, "pip" | "pip3" | "npm") {
        through_proxy(paper, start, name);
    }
    let operands: Vec<&str> =
        args.iter().map(|v| v.text.as_str()).filter(|t| !t.starts_with('-') && !t.contains("://")).collect();
    match name {
        "curl" | "wget" => {
            // `curl example.com/x`: an address without its scheme.
            for operand in bare_operands(name, args) {
                let authority = operand.split('/').next().unwrap_or_default();
                let (host, port) = host_port(authority);
                if host.contains('.') || port.is_some() || host.starts_with('$') {
                    let url = format!("http://{operand}");
                    state(paper, start, name, Address { url, host, port }, true);
                }
            }
        }
        "nc" | "ncat" | "netcat" | "nc.traditional" | "nc.openbsd" | "telnet" => {
            let listens = args.iter().any(|v| {
                let short = v.text.starts_with('-') && !v.text.starts_with("--");
                short && v.text.contains('l') || v.text == "--listen"
            });
            let mut plain = value_free(
                args,
                &["-e", "-c", "-w", "-p", "-s", "-i", "-q", "-x", "-X", "--exec", "--sh-exec"],
            );
            if !listens && let Some(host) = plain.next() {
                let port = plain.next().and_then(|p| p.parse().ok());
                state(paper, start, name, Address { url: String::new(), host: host.to_owned(), port }, false);
            }
        }
        "socat" => {
            for operand in &operands {
                let Some((kind, rest)) = operand.split_once(':') else { continue };
                let kind = kind.to_ascii_lowercase();
                let connects = [
                    "tcp",
                    "tcp4",
                    "tcp6",
                    "udp",
                    "udp4",
                    "openssl",
                    "ssl",
                    "tcp-connect",
                    "tcp4-connect",
                    "openssl-connect",
                    "socks4",
                    "proxy",
                ];
                if connects.contains(&kind.as_str()) {
                    let (host, port) = host_port(rest.split(',').next().unwrap_or(rest));
                    state(paper, start, name, Address { url: String::new(), host, port }, false);
                }
            }
        }
        "ssh" | "scp" | "sftp" | "rsync" => {
            let port = args.iter().position(|v| matches!(v.text.as_str(), "-p" | "-P"));
            let port = port.and_then(|at| args.get(at + 1)).and_then(|v| v.text.parse().ok());
            let skip = [
                "-p", "-P", "-i", "-o", "-L", "-R", "-D", "-l", "-F", "-c", "-J", "-E", "-S", "-W", "-b",
                "-e",
            ];
            for operand in value_free(args, &skip) {
                let remote = operand.split(':').next().unwrap_or_default();
                if name != "ssh" && !operand.contains(':') {
                    continue;
                }
                let host = remote.rsplit('@').next().unwrap_or_default();
                if !host.is_empty() {
                    let address = Address { url: String::new(), host: host.to_owned(), port };
                    state(paper, start, name, address, false);
                }
                if name == "ssh" {
                    break;
                }
            }
        }
        "openssl" if operands.first() == Some(&"s_client") => {
            let at = args.iter().position(|v| matches!(v.text.as_str(), "-connect" | "-host"));
            if let Some(target) = at.and_then(|at| args.get(at + 1)) {
                let (host, port) = host_port(&target.text);
                state(paper, start, name, Address { url: String::new(), host, port }, false);
            }
        }
        "ftp" | "tftp" | "ftpget" => {
            if let Some(host) = operands.first() {
                let host = (*host).to_owned();
                state(paper, start, name, Address { url: String::new(), host, port: None }, false);
            }
        }
        _ => {}
    }
}

/// Variables that name the machine through which programs of the web connect.
const PROXIES: &[&str] =
    &["http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// The connection to a proxy that the environment names, stated under the scheme `proxy`.
fn through_proxy(paper: &mut Paper<'_>, start: &Start, name: &str) {
    let Some(value) = PROXIES.iter().find_map(|variable| process::env(start, variable)) else { return };
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = host_port(authority.rsplit('@').next().unwrap_or_default());
    if host.is_empty() {
        return;
    }
    let url = match port {
        Some(port) => format!("proxy://{host}:{port}"),
        None => format!("proxy://{host}"),
    };
    state(paper, start, name, Address { url, host, port }, true);
}

/// Operands, the values of options left out.
fn value_free<'v>(args: &'v [Value], with_value: &'v [&'v str]) -> impl Iterator<Item = &'v str> {
    let mut skip = false;
    args.iter().map(|v| v.text.as_str()).filter(move |text| {
        if std::mem::take(&mut skip) {
            return false;
        }
        skip = with_value.contains(text);
        !text.starts_with('-')
    })
}

const CURL_VALUES: &[&str] = &[
    "-o",
    "--output",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "-X",
    "--request",
    "-A",
    "--user-agent",
    "-u",
    "--user",
    "-e",
    "--referer",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "-x",
    "--proxy",
    "-T",
    "--upload-file",
    "-F",
    "--form",
    "-w",
    "--write-out",
    "--cacert",
    "--cert",
    "--key",
    "-K",
    "--config",
    "--output-dir",
    "-C",
    "-D",
    "-r",
    "--resolve",
    "--interface",
    "--limit-rate",
    "--unix-socket",
    "-Y",
    "-y",
    "-z",
    "--max-redirs",
    "--proto",
    "--ciphers",
];
const WGET_VALUES: &[&str] = &[
    "-O",
    "--output-document",
    "-P",
    "--directory-prefix",
    "-o",
    "-a",
    "-t",
    "-T",
    "--timeout",
    "--tries",
    "-U",
    "--user-agent",
    "--header",
    "-i",
    "--post-data",
    "--user",
    "--password",
    "-e",
    "-Q",
    "-w",
    "--waitretry",
    "-l",
];

fn values_of(name: &str) -> &'static [&'static str] {
    if name == "curl" { CURL_VALUES } else { WGET_VALUES }
}

fn takes_value(name: &str, text: &str) -> bool {
    if values_of(name).contains(&text) {
        return true;
    }
    // `-sSLo FILE`: the last letter of a group.
    let group = text.starts_with('-') && !text.starts_with("--") && text.len() > 2;
    let last = text.chars().next_back().map(|c| format!("-{c}")).unwrap_or_default();
    group && values_of(name).contains(&last.as_str()) && text[1..].bytes().all(|b| b.is_ascii_alphabetic())
}

fn bare_operands(name: &str, args: &[Value]) -> Vec<String> {
    let mut skip = false;
    let mut out = Vec::new();
    for value in args {
        let text = value.text.as_str();
        if std::mem::take(&mut skip) {
            continue;
        }
        if takes_value(name, text) {
            skip = true;
        } else if !text.starts_with('-') && !text.contains("://") && !text.is_empty() {
            out.push(text.to_owned());
        }
    }
    out
}

/// What a program that nobody knows writes for the next one after it was given an address: most
/// likely what lies there. A fetching program needs no more than a copy to have another name.
pub(crate) fn brought_by_stranger(start: &Start, name: &str) -> Option<Rc<Fetched>> {
    if !start.piped || super::is_known(name) || super::is_coder(name) || super::only_names_files(name) {
        return None;
    }
    let whole = |text: &str| ["http://", "https://", "ftp://"].iter().any(|scheme| text.starts_with(scheme));
    let word = start.argv[1..].iter().map(|value| value.text.as_str()).find(|text| whole(text))?;
    let url = address(word)?.url;
    Some(Rc::new(Fetched { url, by: vec![name.to_owned()] }))
}

/// What a downloader brings: to a file, which is stated and remembered as fetched, or to its
/// output. None where the program is no downloader or names no address.
pub(crate) fn fetched(paper: &mut Paper<'_>, start: &Start, name: &str) -> Option<Value> {
    if !is_downloader(name) {
        return None;
    }
    let args = &start.argv[1..];
    let url = args.iter().find_map(|v| address(&v.text).map(|a| a.url)).or_else(|| {
        matches!(name, "curl" | "wget")
            .then(|| bare_operands(name, args).into_iter().next().map(|o| format!("http://{o}")))
            .flatten()
    })?;
    let fetched = Rc::new(Fetched { url: url.clone(), by: vec![name.to_owned()] });
    if name == "git" {
        git(paper, start, &url, &fetched);
        return Some(Value::empty());
    }
    let mut to: Option<String> = None;
    let mut dir: Option<String> = None;
    let mut remote_name =
        !matches!(name, "curl" | "lwp-request" | "GET" | "http" | "https" | "xh" | "lynx" | "w3m" | "links");
    let mut at = 0;
    while let Some(text) = args.get(at).map(|v| v.text.as_str()) {
        let next = || args.get(at + 1).map(|v| v.text.clone());
        let output = match name {
            "wget" | "wget2" => "O",
            _ => "o",
        };
        let group = text.strip_prefix('-').filter(|t| !t.starts_with('-'));
        if let Some(value) =
            text.strip_prefix("--output-document=").or_else(|| text.strip_prefix("--output="))
        {
            to = Some(value.to_owned());
        } else if matches!(text, "--output" | "--output-document" | "--out") {
            to = next();
            at += 1;
        } else if matches!(text, "-P" | "--directory-prefix" | "--output-dir" | "--dir") {
            dir = next();
            at += 1;
        } else if let Some(value) = text.strip_prefix("--directory-prefix=") {
            dir = Some(value.to_owned());
        } else if matches!(text, "--remote-name" | "--remote-name-all") {
            remote_name = true;
        } else if let Some(group) = group {
            if let Some(split) = group.find(output) {
                let value = &group[split + 1..];
                if value.is_empty() {
                    to = next();
                    at += 1;
                } else {
                    to = Some(value.to_owned());
                }
            } else if name == "curl" && group.contains('O') {
                remote_name = true;
            } else if takes_value(name, text) {
                at += 1;
            }
        } else if takes_value(name, text) {
            at += 1;
        }
        at += 1;
    }
    let path = match to {
        Some(path) if path == "-" || path == "/dev/stdout" => None,
        Some(path) => Some(path),
        None if remote_name => {
            let last = url.split(['?', '#']).next().unwrap_or(&url).rsplit('/').next().unwrap_or_default();
            Some(if last.is_empty() || last.contains("://") {
                "index.html".to_owned()
            } else {
                last.to_owned()
            })
        }
        None => None,
    };
    let content = Value { fetched: Some(fetched), ..Value::unknown("") };
    match path {
        None => Some(content),
        Some(path) if path == "/dev/null" => Some(Value::empty()),
        Some(path) => {
            let path = match dir {
                Some(dir) if !path.starts_with('/') => format!("{dir}/{path}"),
                _ => path,
            };
            let place = Value::sure(absolute(&start.cwd, &path));
            let because: &[Location] = &start.because;
            let hand = Hand { by: name, certainty: start.certainty, because };
            paper.write(&place, &content, false, hand);
            Some(Value::empty())
        }
    }
}

fn git(paper: &mut Paper<'_>, start: &Start, url: &str, fetched: &Rc<Fetched>) {
    let args: Vec<&str> = start.argv[1..].iter().map(|v| v.text.as_str()).collect();
    if !args.contains(&"clone") {
        return;
    }
    let at = args.iter().position(|a| a.contains("://")).unwrap_or(args.len());
    let own = args.get(at + 1).filter(|a| !a.starts_with('-')).map(|a| (*a).to_owned());
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let dir = own.unwrap_or_else(|| name.strip_suffix(".git").unwrap_or(name).to_owned());
    paper.unpacked.push((absolute(&start.cwd, &dir), fetched.clone()));
}
