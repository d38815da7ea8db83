//! A pack of YARA rules that catch the campaign's files elsewhere, each with its examples, so that
//! `lazaret rules check` proves it.

use lazaret_model::Campaign;

use super::terms::{self, PackFile, Terms};

struct Draft<'a> {
    name: &'a str,
    title: &'a str,
    found: &'a str,
    technique: &'a str,
    class: &'a str,
    severity: &'a str,
    confidence: &'a str,
    /// Literal strings, and whether each must stand alone as a word.
    strings: Vec<(&'a str, bool)>,
    condition: &'a str,
    /// Lines of the file in the example that must fire.
    fires: Vec<&'a str>,
}

/// The files of the pack, by name; none where nothing of the campaign speaks alone.
pub fn files(campaign: &Campaign) -> Vec<PackFile> {
    let terms = terms::of(campaign);
    let slug = terms::slug(campaign);
    let drafts = [payment(&terms), contact(&terms), key(&terms), script(&terms), builder(&terms)];
    let mut files: Vec<PackFile> = drafts
        .into_iter()
        .flatten()
        .map(|draft| PackFile {
            name: format!("{slug}-{}.yar", draft.name),
            text: draft.text(campaign, &slug),
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// All rules in one text.
pub fn stream(campaign: &Campaign) -> String {
    let texts: Vec<String> = files(campaign).into_iter().map(|file| file.text).collect();
    texts.join("\n")
}

fn words(list: &[String], whole: bool) -> Vec<(&str, bool)> {
    list.iter().map(|word| (word.as_str(), whole)).collect()
}

fn payment(terms: &Terms) -> Option<Draft<'_>> {
    Some(Draft {
        name: "payment",
        title: "earn money for the actor of a known campaign",
        found: "A file names where the actor is paid.",
        technique: "T1496.001",
        class: "malware",
        severity: "critical",
        confidence: "medium",
        fires: vec![terms.payment.first()?],
        strings: words(&terms.payment, true),
        condition: "any of them",
    })
}

fn contact(terms: &Terms) -> Option<Draft<'_>> {
    let first = terms.urls.first().or(terms.hosts.first())?;
    Some(Draft {
        name: "contact",
        title: "hold a host of a known campaign",
        found: "A file names a host or an address of the actor.",
        technique: "T1105",
        class: "malware",
        severity: "high",
        confidence: "medium",
        fires: vec![first],
        strings: [words(&terms.urls, false), words(&terms.hosts, true)].concat(),
        condition: "any of them",
    })
}

fn key(terms: &Terms) -> Option<Draft<'_>> {
    Some(Draft {
        name: "login-key",
        title: "let in the actor of a known campaign",
        found: "A file holds the login key of the actor.",
        technique: "T1098.004",
        class: "malware",
        severity: "critical",
        confidence: "medium",
        fires: vec![terms.keys.first()?],
        strings: words(&terms.keys, false),
        condition: "any of them",
    })
}

/// Lines of scripts are quoted as they were seen, and a single one may be anybody's: two of them
/// point, and accuse nobody by themselves.
fn script(terms: &Terms) -> Option<Draft<'_>> {
    let mut shown = terms.lines.iter().filter(|line| !line.contains("*/"));
    let (first, second) = (shown.next()?, shown.next()?);
    Some(Draft {
        name: "script",
        title: "hold lines of a known campaign's scripts",
        found: "A file holds two lines of the actor's scripts. Others may write one of them.",
        technique: "T1059.004",
        class: "malware",
        severity: "medium",
        confidence: "low",
        fires: vec!["#!/bin/sh", first, second],
        strings: words(&terms.lines, false),
        condition: "filesize < 1MB and 2 of them",
    })
}

/// One name may be anybody's; all of them in one file are the builder's.
fn builder(terms: &Terms) -> Option<Draft<'_>> {
    if terms.builders.len() < 2 {
        return None;
    }
    Some(Draft {
        name: "builder",
        title: "have been made where a known campaign was made",
        found: "A file names the people and machines that built the campaign's images.",
        technique: "T1204.003",
        class: "dual-use",
        severity: "low",
        confidence: "low",
        fires: terms.builders.iter().map(String::as_str).collect(),
        strings: words(&terms.builders, true),
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
        for (at, (text, whole)) in self.strings.iter().enumerate() {
            let whole = if *whole { " fullword" } else { "" };
            out.push_str(&format!("        $s{at} = {}{whole}\n", quoted(text)));
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
