//! Hosts and addresses that say something of whoever names them.

use std::net::IpAddr;

/// The normal form of a URL: scheme and host in lower case, no port that the scheme implies, no
/// fragment, no slash that stands alone.
pub(super) fn normal_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let implied = match scheme.as_str() {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        "ftp" => ":21",
        _ => "",
    };
    let authority = match implied {
        "" => authority.as_str(),
        port => authority.strip_suffix(port).unwrap_or(&authority),
    };
    let authority = authority.trim_end_matches('.');
    let path = path.split('#').next().unwrap_or_default();
    if let Some(account) = account_at_service(authority, path) {
        return Some(account);
    }
    let path = if path == "/" { "" } else { path };
    (!authority.is_empty()).then(|| format!("{scheme}://{authority}{path}"))
}

/// The address of an account whose secret stands in it, whatever is asked of it: a bot's token (Telegram, "Bot
/// API", Authorizing your bot), a webhook's (Discord, "Execute Webhook"; Slack, "Incoming webhooks").
fn account_at_service(authority: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_secret = |text: &str, least: usize| {
        text.len() >= least && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let digits = |text: &str| text.len() >= 6 && text.bytes().all(|b| b.is_ascii_digit());
    if authority == "api.telegram.org" {
        let parts = parts.strip_prefix(&["file"]).unwrap_or(&parts);
        let token = parts.first()?.strip_prefix("bot")?;
        let (id, secret) = token.split_once(':').or_else(|| token.split_once("%3A"))?;
        return (digits(id) && is_secret(secret, 30))
            .then(|| format!("https://api.telegram.org/bot{id}:{secret}"));
    }
    let is_discord = is_below(authority, &["discord.com", "discordapp.com"]);
    if is_discord && let Some(at) = parts.iter().position(|part| *part == "webhooks") {
        let (id, secret) = (parts.get(at + 1)?, parts.get(at + 2)?);
        return (digits(id) && is_secret(secret, 40))
            .then(|| format!("https://discord.com/api/webhooks/{id}/{secret}"));
    }
    if authority == "hooks.slack.com" && parts.first() == Some(&"services") {
        let [_, team, hook, secret, ..] = parts.as_slice() else { return None };
        return is_secret(secret, 20)
            .then(|| format!("https://hooks.slack.com/services/{team}/{hook}/{secret}"));
    }
    None
}

/// The host of a URL in its normal form.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// The normal form of a host.
pub(super) fn normal_host(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a host is a machine somewhere, as far as its name says: not one of the container's own
/// network, not a placeholder.
pub(super) fn is_somewhere(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(v4) => {
                let (first, second) = (v4.octets()[0], v4.octets()[1]);
                // Of all networks those of RFC 6598 (shared address space) besides.
                !(v4.is_private()
                    || v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_unspecified()
                    || v4.is_broadcast()
                    || v4.is_multicast()
                    || first == 0
                    || first == 100 && (64..128).contains(&second))
            }
            IpAddr::V6(v6) => {
                let first = v6.segments()[0];
                !(v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || first & 0xfe00 == 0xfc00
                    || first & 0xffc0 == 0xfe80)
            }
        };
    }
    // RFC 6762 (local), RFC 8375 (home.arpa), and what engines and clusters answer themselves.
    const WITHIN: [&str; 8] =
        ["local", "localhost", "localdomain", "internal", "lan", "home.arpa", "svc", "cluster.local"];
    const PLACEHOLDERS: [&str; 6] = [
        "example.com",
        "example.org",
        "example.net",
        "www.example.com",
        "www.example.org",
        "www.example.net",
    ];
    host.contains('.')
        && !host.contains(['$', '{', '%', '*', '<'])
        && !PLACEHOLDERS.contains(&host)
        && !WITHIN.iter().any(|end| host.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether a host serves everybody: to name it says nothing of whoever does. What is fetched from a
/// place for code and notes may say something all the same ([`is_for_anybodys_files`]).
pub(super) fn is_public_service(host: &str) -> bool {
    is_mirror(host) || is_for_anybodys_files(host)
}

/// Where distributions and languages publish their packages, and what every image fetches from.
pub(super) fn is_mirror(host: &str) -> bool {
    const HOSTS: [&str; 62] = [
        "adoptium.net",
        "alpinelinux.org",
        "amazonaws.com",
        "anaconda.com",
        "anaconda.org",
        "apache.org",
        "archlinux.org",
        "azure.com",
        "centos.org",
        "chrome.com",
        "cloudflare.com",
        "cran.r-project.org",
        "crates.io",
        "debian.org",
        "debian.net",
        "deno.land",
        "docker.com",
        "docker.io",
        "dot.net",
        "eclipse.org",
        "elastic.co",
        "fedoraproject.org",
        "freedesktop.org",
        "gcr.io",
        "gnu.org",
        "gnupg.org",
        "go.dev",
        "golang.org",
        "google.com",
        "gradle.org",
        "hashicorp.com",
        "kernel.org",
        "keyserver.ubuntu.com",
        "launchpad.net",
        "letsencrypt.org",
        "mariadb.org",
        "maven.org",
        "microsoft.com",
        "mongodb.org",
        "mozilla.org",
        "mysql.com",
        "nginx.org",
        "nodejs.org",
        "nodesource.com",
        "npmjs.org",
        "npmjs.com",
        "openpgp.org",
        "openssl.org",
        "opensuse.org",
        "oracle.com",
        "packagist.org",
        "php.net",
        "postgresql.org",
        "pypa.io",
        "pypi.org",
        "python.org",
        "pythonhosted.org",
        "quay.io",
        "redhat.com",
        "rubygems.org",
        "rust-lang.org",
        "ubuntu.com",
    ];
    is_below(host, &HOSTS)
}

/// Where anybody can put files and texts.
pub(super) fn is_for_anybodys_files(host: &str) -> bool {
    const HOSTS: [&str; 20] = [
        "bitbucket.org",
        "codeberg.org",
        "discord.com",
        "discordapp.com",
        "dropbox.com",
        "dropboxusercontent.com",
        "file.io",
        "gitee.com",
        "github.com",
        "githubusercontent.com",
        "gitlab.com",
        "googleapis.com",
        "pastebin.com",
        "sourceforge.net",
        "t.me",
        "telegram.org",
        "transfer.sh",
        "w3.org",
        "ix.io",
        "termbin.com",
    ];
    is_below(host, &HOSTS)
}

fn is_below(host: &str, of: &[&str]) -> bool {
    of.iter().any(|name| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether a host is a bare address, a free name or an onion service: nobody publishes packages there,
/// so it says something even where an image is only built with it.
pub(super) fn is_telling(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || crate::is_dynamic_dns(host) || host.ends_with(".onion")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_and_a_webhook_are_one_whatever_is_asked_of_them() {
        let token = "7000000001:AAexampleexampleexampleexampleexamp";
        let bot = format!("https://api.telegram.org/bot{token}");
        for asked in ["/sendMessage?chat_id=5&text=a", "/sendDocument", "/getMe"] {
            assert_eq!(normal_url(&format!("{bot}{asked}")).as_deref(), Some(bot.as_str()), "{asked}");
        }
        let secret = "example_".repeat(8);
        let hook = format!("https://discord.com/api/webhooks/100000000000000001/{secret}");
        for form in ["https://discordapp.com/api/webhooks", "https://ptb.discord.com/api/v10/webhooks"] {
            let asked = format!("{form}/100000000000000001/{secret}?wait=true");
            assert_eq!(normal_url(&asked).as_deref(), Some(hook.as_str()), "{asked}");
        }
        let plain = "https://api.telegram.org/bot$TOKEN/sendMessage";
        assert_eq!(normal_url(plain).as_deref(), Some(plain));
    }
}
