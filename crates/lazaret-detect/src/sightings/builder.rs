//! What the machine and the person that built the image left in it.

use std::collections::BTreeSet;

use lazaret_model::{EntryPath, FactKind, Image, IndicatorKind, Location};

use super::gathered::{Gathered, Weight};
use super::{network, step};
use crate::case::Case;

/// Traces longer than this are no names.
const LONGEST: usize = 200;

/// Notes them; gives the test for labels that were told so.
pub(super) fn of(
    case: &Case<'_>,
    image: &Image,
    gathered: &mut Gathered<'_>,
) -> impl Fn(&str) -> bool + use<> {
    let mut traced = BTreeSet::new();
    let config = &image.config;
    if !config.author.is_empty() {
        let location = step::of_author(image);
        person(&config.author, &location, gathered);
    }
    for (name, value) in &config.labels {
        // One that names nobody in particular (`you@example.com`) says nothing as a label either.
        if is_of_person(name)
            && (person(value, &step::of_label(image, name), gathered) || value.contains('@'))
        {
            traced.insert(name.clone());
        }
    }
    for (number, made) in config.history.iter().enumerate() {
        let location = Location::History(number);
        for path in homes(case, image, &made.created_by) {
            see("path", &path, &location, gathered);
        }
        if let Some(zone) = zone(&made.created) {
            see("zone", zone, &location, gathered);
        }
        if !is_usual_comment(&made.comment) {
            see("tool", &made.comment, &location, gathered);
        }
    }
    if let Some(zone) = zone(&config.created) {
        see("zone", zone, &Location::Config("Created".to_owned()), gathered);
    }
    owners(case, gathered);
    move |label| traced.contains(label)
}

fn see(word: &str, value: &str, location: &Location, gathered: &mut Gathered<'_>) {
    let value = value.trim();
    if !value.is_empty() && value.len() <= LONGEST {
        let text = format!("{word} {value}");
        gathered.see(IndicatorKind::BuilderTrace, &text, Weight::Lies, location.clone());
    }
}

fn is_of_person(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    matches!(last, "maintainer" | "maintainers" | "author" | "authors")
}

/// Whoever a text names: `somebody <login@machine>`, `login@machine`, one word. Whether it named one.
pub(super) fn person(text: &str, location: &Location, gathered: &mut Gathered<'_>) -> bool {
    let mut told = false;
    let mut tell = |word: &str, value: &str| {
        see(word, value, location, gathered);
        told = true;
    };
    let is_login = |word: &str| {
        (2..=40).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
            && !is_generic(word)
    };
    for word in text.split(|c: char| c.is_whitespace() || "<>,;()\"'".contains(c)).take(40) {
        let word = word.trim_start_matches("mailto:").trim_end_matches(['.', ':']);
        let Some((login, host)) = word.split_once('@') else { continue };
        let host = host.to_ascii_lowercase();
        if is_of_vendor(&host) {
            // What came with a product that others build on; the product is told by its layers.
            continue;
        }
        let is_host =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_host || login.is_empty() || is_nowhere(&host) {
            continue;
        }
        if is_for_everybody(&host) {
            tell("user", &format!("{}@{host}", login.to_ascii_lowercase()));
            continue;
        }
        tell("host", &host);
        if is_login(login) {
            tell("user", login);
        }
    }
    // A single word before the address is what somebody goes by.
    let name = text.split('<').next().unwrap_or_default().trim();
    if is_login(name) && !name.contains('.') && text.contains('@') {
        tell("user", name);
    }
    told
}

/// Names that say nothing of whoever has them.
pub(super) fn is_generic(name: &str) -> bool {
    const NAMES: [&str; 126] = [
        "abuse",
        "adm",
        "admin",
        "administrator",
        "administrators",
        "alpine",
        "amazon",
        "app",
        "app-user",
        "appuser",
        "arch",
        "azureuser",
        "backup",
        "bamboo",
        "bin",
        "build",
        "buildbot",
        "builder",
        "buildkitsandbox",
        "buildroot",
        "centos",
        "ci",
        "circleci",
        "cloud",
        "codespace",
        "contact",
        "container",
        "core",
        "daemon",
        "debian",
        "default",
        "deploy",
        "dev",
        "devops",
        "dialout",
        "docker",
        "dockerbuild",
        "dockeruser",
        "drone",
        "ec2",
        "ec2-user",
        "fedora",
        "games",
        "git",
        "github",
        "github-actions",
        "gitlab",
        "gitlab-runner",
        "guest",
        "hello",
        "help",
        "home",
        "hostmaster",
        "info",
        "intel",
        "jenkins",
        "kali",
        "kmem",
        "linux",
        "lp",
        "mail",
        "mailto",
        "maintainer",
        "maintainers",
        "man",
        "me",
        "messagebus",
        "miner",
        "mining",
        "mockbuild",
        "monero",
        "news",
        "nixos",
        "no-reply",
        "nobody",
        "node",
        "nogroup",
        "none",
        "noreply",
        "nvidia",
        "opc",
        "opensuse",
        "operator",
        "ops",
        "oracle",
        "pi",
        "pool",
        "postmaster",
        "proxy",
        "rancher",
        "redhat",
        "rocky",
        "root",
        "runner",
        "runneradmin",
        "security",
        "server",
        "service",
        "shadow",
        "sshd",
        "staff",
        "sudo",
        "support",
        "sync",
        "sys",
        "system",
        "team",
        "teamcity",
        "test",
        "travis",
        "tty",
        "ubuntu",
        "unknown",
        "user",
        "users",
        "uucp",
        "vagrant",
        "vscode",
        "web",
        "webmaster",
        "wheel",
        "work",
        "worker",
        "www",
        "www-data",
        "xmrig",
    ];
    // Groups of desktops and servers, which package managers make alike.
    const GROUPS: [&str; 34] = [
        "audio",
        "cdrom",
        "crontab",
        "disk",
        "domain users",
        "everyone",
        "fax",
        "floppy",
        "fuse",
        "http",
        "input",
        "irc",
        "kvm",
        "libvirt",
        "list",
        "lpadmin",
        "mysql",
        "netdev",
        "nginx",
        "nixbld",
        "plugdev",
        "postgres",
        "redis",
        "render",
        "sgx",
        "src",
        "ssh",
        "ssl-cert",
        "tape",
        "tomcat",
        "usbmux",
        "utmp",
        "video",
        "voice",
    ];
    let lower = name.to_ascii_lowercase();
    NAMES.contains(&lower.as_str())
        || GROUPS.contains(&lower.as_str())
        || lower.starts_with("systemd-")
        || lower.starts_with('_')
        || name.bytes().all(|b| b.is_ascii_digit())
}

/// Names that every machine has, and those of manuals.
fn is_nowhere(host: &str) -> bool {
    let first = host.split('.').next().unwrap_or_default();
    const NAMES: [&str; 14] = [
        "localhost",
        "host",
        "hostname",
        "server",
        "machine",
        "remote",
        "example",
        "domain",
        "myhost",
        "yourhost",
        "computer",
        "buildkitsandbox",
        "runner",
        "debian",
    ];
    NAMES.contains(&first) || host == "domain.com"
}

/// Whoever makes what others build on: the mail address in such an image is theirs.
fn is_of_vendor(host: &str) -> bool {
    const HOSTS: [&str; 26] = [
        "almalinux.org",
        "amazon.com",
        "bitnami.com",
        "canonical.com",
        "datadoghq.com",
        "grafana.com",
        "hpe.com",
        "ibm.com",
        "intel.com",
        "jenkins.io",
        "jfrog.com",
        "linuxserver.io",
        "mariadb.com",
        "mongodb.com",
        "nginx.com",
        "nvidia.com",
        "percona.com",
        "rabbitmq.com",
        "redis.io",
        "redislabs.com",
        "rockylinux.org",
        "sonarsource.com",
        "suse.com",
        "traefik.io",
        "vmware.com",
        "xmrig.com",
    ];
    network::is_mirror(host)
        || HOSTS
            .iter()
            .any(|name| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Where everybody has a mailbox: the name there is the person.
fn is_for_everybody(host: &str) -> bool {
    const HOSTS: [&str; 26] = [
        "126.com",
        "163.com",
        "aol.com",
        "foxmail.com",
        "gmail.com",
        "gmx.com",
        "gmx.de",
        "googlemail.com",
        "hotmail.com",
        "icloud.com",
        "live.com",
        "mail.com",
        "mail.ru",
        "me.com",
        "msn.com",
        "naver.com",
        "outlook.com",
        "pm.me",
        "proton.me",
        "protonmail.com",
        "qq.com",
        "tutanota.com",
        "users.noreply.github.com",
        "yahoo.com",
        "yandex.ru",
        "zoho.com",
    ];
    HOSTS.contains(&host)
}

/// Home folders that a step names and the container does not have.
fn homes(case: &Case<'_>, image: &Image, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (start, separator) in
        [("/home/", '/'), ("/Users/", '/'), ("C:\\Users\\", '\\'), ("c:\\Users\\", '\\'), ("C:/Users/", '/')]
    {
        for (at, _) in text.match_indices(start).take(100) {
            // `/usr/share/home/x` is no home.
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "._-}$".contains(c)) {
                continue;
            }
            let rest = &text[at + start.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches('.');
            let shared = ["public", "default", "shared"].contains(&name.to_ascii_lowercase().as_str());
            if name.len() < 2 || shared || is_generic(name) {
                continue;
            }
            if start == "/home/" && is_of_container(case, image, name) {
                continue;
            }
            let root = start.trim_end_matches(separator);
            out.push(format!("{root}{separator}{name}"));
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Whether the image has a user of this name, or says that it makes one.
fn is_of_container(case: &Case<'_>, image: &Image, name: &str) -> bool {
    let home = EntryPath::from(format!("home/{name}").as_str());
    let makes = |text: &str| {
        ["useradd", "adduser", "addgroup", "groupadd", "mkdir", "usermod"]
            .iter()
            .any(|tool| text.contains(tool))
            && text.contains(name)
    };
    case.view.lookup(&home).is_some()
        || case.view.below(&home).next().is_some()
        || image.config.user.split(':').next() == Some(name)
        || [&image.config.working_dir]
            .into_iter()
            .chain(image.config.env.iter().map(|(_, value)| value))
            .chain(&image.config.volumes)
            .any(|value| value.contains(&format!("/home/{name}")))
        || has_user(case, name)
        || image.config.history.iter().any(|step| makes(&step.created_by))
}

/// Owners that a layer's archive names and the container does not know.
fn owners(case: &Case<'_>, gathered: &mut Gathered<'_>) {
    for (layer, fact) in case.facts() {
        let FactKind::ArchiveOwners { users, groups } = &fact.kind else { continue };
        for (word, names) in [("user", users), ("group", groups)] {
            // The group of a user's own name says nothing more.
            let other = |name: &&String| word == "user" || !users.contains(name);
            for name in names.iter().filter(other) {
                if !is_generic(name) && !has_user(case, name) {
                    see(word, name, &Location::Layer(layer), gathered);
                }
            }
        }
    }
}

/// Whether a `passwd` or `group` of the image names it.
fn has_user(case: &Case<'_>, name: &str) -> bool {
    ["/etc/passwd", "/etc/group"].iter().any(|file| {
        case.text(file).is_some_and(|(_, text)| text.lines().any(|line| line.split(':').next() == Some(name)))
    })
}

/// The offset of a time (RFC 3339, 5.6) that is not UTC's: `+08:00`.
fn zone(time: &str) -> Option<&str> {
    let at = time.len().checked_sub(6)?;
    let zone = time.get(at..)?;
    let bytes = zone.as_bytes();
    let digits = [1, 2, 4, 5].iter().all(|&n| bytes[n].is_ascii_digit());
    let form = matches!(bytes[0], b'+' | b'-') && bytes[3] == b':' && digits && time[..at].contains('T');
    (form && &zone[1..] != "00:00").then_some(zone)
}

/// Comments that builders write by themselves.
fn is_usual_comment(comment: &str) -> bool {
    let comment = comment.trim();
    comment.is_empty()
        || ["buildkit.dockerfile.v0", "buildkit.exporter.image.v0", "buildkit.exporter.image.v1"]
            .contains(&comment)
        || [
            "FROM ",
            "FROM scratch",
            "debuerreotype ",
            "Imported from",
            "Synthesized",
            "auto-created",
            "merge ",
        ]
        .iter()
        .any(|start| comment.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zones_other_than_utc_are_told() {
        assert_eq!(zone("2024-05-17T08:10:00+08:00"), Some("+08:00"));
        assert_eq!(zone("2023-01-02T03:04:05.123456789-03:30"), Some("-03:30"));
        for utc in
            ["2024-05-17T00:10:00Z", "2024-05-17T00:10:00+00:00", "2024-05-17", "", "+08:00", "é+08:0é"]
        {
            assert_eq!(zone(utc), None, "{utc}");
        }
    }

    #[test]
    fn mail_addresses_of_vendors_are_no_trace() {
        assert!(is_of_vendor("nginx.com") && is_of_vendor("lists.debian.org"));
        assert!(!is_of_vendor("notnginx.com") && !is_of_vendor("build7.example"));
    }

    #[test]
    fn names_that_everybody_has_are_no_trace() {
        for name in ["root", "Runner", "www-data", "1000", "wheel"] {
            assert!(is_generic(name), "{name}");
        }
        assert!(!is_generic("dm117"));
    }
}
