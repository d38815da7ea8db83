//! A pack of YARA rules that catch the campaign's files elsewhere, each with its examples, so that
//! `lazaret rules check` proves it.

use lazaret_model::Campaign;

use super::terms::{self, PackFile, Terms};

struct Draft<'a> {
    name: &'static str,
    title: &'a str,
    found: &'a str,
    technique: &'a str,
    class: &'a str,
    severity: &'a str,
    confidence: &'a str,
    /// What is looked for.
    strings: Vec<(&'a str, As)>,
    condition: &'a str,
    /// Lines of the file in the example that must fire.
    fires: Vec<&'a str>,
}

/// How a string is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// Anywhere.
    Part,
    /// As a word by itself.
    Word,
    /// As a host that is no part of another's name.
    Host,
    /// As an address that ends there.
    Address,
}

/// The files of the pack, by name; none where nothing of the campaign speaks alone.
pub fn files(campaign: &Campaign) -> Vec<PackFile> {
    let terms = terms::of(campaign);
    let slug = terms::slug(campaign);
    let drafts = [payment(&terms), contact(&terms), key(&terms), script(&terms), builder(&terms)];
    let rules = drafts.into_iter().flatten().map(|draft| (draft.name, draft.text(campaign, &slug)));
    terms::pack(&slug, "yar", rules)
}

/// All rules in one text.
pub fn stream(campaign: &Campaign) -> String {
    let texts: Vec<String> = files(campaign).into_iter().map(|file| file.text).collect();
    texts.join("\n")
}

fn words(list: &[String], how: As) -> Vec<(&str, As)> {
    list.iter().map(|word| (word.as_str(), how)).collect()
}

fn payment(terms: &Terms) -> Option<Draft<'_>> {
    Some(Draft {
        name: "payment-in-file",
        title: "earn money for the actor of a known campaign",
        found: "A file names where the actor is paid.",
        technique: "T1496.001",
        class: "malware",
        severity: "critical",
        confidence: "medium",
        fires: vec![terms.payment.first()?],
        strings: words(&terms.payment, As::Word),
        condition: "any of them",
    })
}

fn contact(terms: &Terms) -> Option<Draft<'_>> {
    let first = terms.contact()?;
    Some(Draft {
        name: "contact-in-file",
        title: "hold a host of a known campaign",
        found: "A file names a host or an address of the actor.",
        technique: "T1105",
        class: "malware",
        severity: "high",
        confidence: "medium",
        fires: vec![first],
        strings: [words(&terms.hosts, As::Host), words(&terms.urls, As::Address)].concat(),
        condition: "any of them",
    })
}

fn key(terms: &Terms) -> Option<Draft<'_>> {
    Some(Draft {
        name: "login-key-in-file",
        title: "let in the actor of a known campaign",
        found: "A file holds the login key of the actor.",
        technique: "T1098.004",
        class: "malware",
        severity: "critical",
        confidence: "medium",
        fires: vec![terms.keys.first()?],
        strings: words(&terms.keys, As::Part),
        condition: "any of them",
    })
}

/// Lines of scripts are quoted as they were seen, and a single one may be anybody's: two of them
/// point, and accuse nobody by themselves.
fn script(terms: &Terms) -> Option<Draft<'_>> {
    let mut shown = terms.lines.iter().filter(|line| !line.contains("*/"));
    let (first, second) = (shown.next()?, shown.next()?);
    Some(Draft {
        name: "script-lines",
        title: "hold lines of a known campaign's scripts",
        found: "A file holds two lines of the actor's scripts. Others may write one of them.",
        technique: "T1059.004",
        class: "malware",
        severity: "medium",
        confidence: "low",
        fires: vec!["#!/bin/sh", first, second],
        strings: words(&terms.lines, As::Part),
        condition: "filesize < 1MB and 2 of them",
    })
}

/// One name may be anybody's; all of them in one file are the builder's.
fn builder(terms: &Terms) -> Option<Draft<'_>> {
    if terms.builders.len() < 2 {
        return None;
    }
    Some(Draft {
        name: "builder-names",
        title: "have been made where a known campaign was made",
        found: "A file names the people and machines that built the campaign's images.",
        technique: "T1204.003",
        class: "dual-use",
        severity: "low",
        confidence: "low",
        fires: terms.builders.iter().map(String::as_str).collect(),
        strings: words(&terms.builders, As::Word),
        condition: "filesize < 1MB and all of them",
    })
}

impl Draft<'_> {
    fn text(&self, campaign: &Campaign, slug: &str) -> String {
        let rule = format!("campaign_{}_{}", slug, self.name).replace('-', "_");
        let mut out = format!(
            "rule {rule}\n{{\n    meta:\n        title = {}\n        explanation = {}\n        class = \"{}\"\n        severity = \"{}\"\n        confidence = \"{}\"\n        attack = \"{}\"\n        reference = {}\n    strings:\n",
            quoted(self.title),
            quoted(&terms::explanation(campaign, self.found)),
            self.class,
            self.severity,
            self.confidence,
            self.technique,
            quoted(&crate::words::attack_url(self.technique).unwrap_or_default()),
        );
        for (at, (text, how)) in self.strings.iter().enumerate() {
            let string = match how {
                As::Part => quoted(text),
                As::Word => format!("{} fullword", quoted(text)),
                As::Host => format!("/{}/", terms::alone(text)),
                As::Address => format!("/{}/", terms::whole(text)),
            };
            out.push_str(&format!("        $s{at} = {string}\n"));
        }
        out.push_str(&format!("    condition:\n        {}\n}}\n\n", self.condition));
        out.push_str("/* example: fires on a file that holds it\n    FILE /opt/start 0755\n");
        for line in &self.fires {
            out.push_str(&format!("        {line}\n"));
        }
        out.push_str("*/\n/* example: quiet on a file that holds something else\n    FILE /opt/start 0755\n        #!/bin/sh\n        exec app --to registry.example.org\n*/\n");
        out
    }
}

/// A text string of YARA. An asterisk is escaped so that nothing in it looks like a comment to a
/// reader that looks for comments only.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' if byte != b'*' => out.push(byte as char),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_one_string() {
        assert_eq!(quoted("a\"\\\n*/"), "\"a\\\"\\\\\\x0a\\x2a/\"");
    }
}
