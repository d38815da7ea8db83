//! Entries as people write them: CSV and JSON.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use lazaret_model::one_line;
use lazaret_trust::{Action, Entry, Subject};
use serde::Deserialize;
use time::OffsetDateTime;

use super::export::moment;

/// Bytes of a file with entries.
const MAX_FILE: u64 = 64 << 20;

/// One entry as it is written; what is empty is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    action: Option<String>,
    kind: String,
    value: String,
    #[serde(default)]
    campaign: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

/// What entries say that do not say it themselves.
pub(super) struct Given<'a> {
    pub reason: Option<&'a str>,
    pub author: &'a str,
    pub now: OffsetDateTime,
}

/// Reads the entries of a file: JSON where it begins so, CSV otherwise.
pub(super) fn read(file: &Path, given: &Given<'_>) -> Result<Vec<Entry>> {
    let mut bytes = Vec::new();
    let named = one_line(&file.display().to_string(), 200);
    match file.as_os_str() == "-" {
        true => std::io::stdin().take(MAX_FILE + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)),
    }
    .with_context(|| format!("the entries in {named}"))?;
    if bytes.len() as u64 > MAX_FILE {
        bail!("{named} has more than {} MiB", MAX_FILE >> 20);
    }
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{named} is no text"))?;
    let text = text.trim_start_matches('\u{feff}');
    let written: Vec<(String, Written)> = match text.trim_start().starts_with(['[', '{']) {
        true => json(text).with_context(|| named.clone())?,
        false => csv(text).with_context(|| named.clone())?,
    };
    let read = written
        .into_iter()
        .map(|(place, entry)| entry_of(entry, given).with_context(|| format!("{named}, {place}")));
    read.collect()
}

fn json(text: &str) -> Result<Vec<(String, Written)>> {
    let list: Vec<Written> = serde_json::from_str(text).context("no list of entries")?;
    Ok((1..).zip(list).map(|(number, entry): (usize, _)| (format!("entry {number}"), entry)).collect())
}

fn csv(text: &str) -> Result<Vec<(String, Written)>> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let head = reader.headers().context("its first line")?.clone();
    if !head.iter().any(|name| name == "kind") || !head.iter().any(|name| name == "value") {
        bail!("the first line names the columns, `kind` and `value` among them");
    }
    let mut entries = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("line {line}");
        entries.push((place.clone(), record.deserialize(Some(&head)).context(place)?));
    }
    Ok(entries)
}

fn entry_of(written: Written, given: &Given<'_>) -> Result<Entry> {
    let some = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let action = match some(written.action).as_deref() {
        None => Action::Deny,
        Some(word) => match Action::parse(word) {
            Some(action) => action,
            None => bail!("`{}` is neither deny nor allow", one_line(word, 40)),
        },
    };
    let Some(reason) = some(written.reason).or_else(|| given.reason.map(str::to_owned)) else {
        bail!("no reason: write one, or give --reason for all that have none");
    };
    Ok(Entry {
        action,
        subject: Subject::parse(&written.kind, &written.value)?,
        campaign: some(written.campaign),
        reason,
        author: some(written.author).unwrap_or_else(|| given.author.to_owned()),
        expires: some(written.expires).map(|text| moment(&text, given.now)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    fn written(text: &str) -> Result<Vec<Entry>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        let given = Given { reason: Some("because"), author: "me", now: datetime!(2026-11-22 10:00 UTC) };
        read(file.path(), &given)
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "# ours\nkind,value,action,expires,reason\nhost, C2.example.invalid ,,2027-01-31,\n\
                   wallet,xmr:4abc,allow,,\"ours, and known\"\n";
        let json = r#"[{"kind":"host","value":"c2.example.invalid","expires":"2027-01-31"},
                      {"kind":"wallet","value":"xmr:4abc","action":"allow","reason":"ours, and known"}]"#;
        let entries = written(csv).unwrap();
        assert_eq!(entries, written(json).unwrap());
        assert_eq!((entries[0].action, entries[1].action), (Action::Deny, Action::Allow));
        assert_eq!((entries[0].reason.as_str(), entries[1].reason.as_str()), ("because", "ours, and known"));
        assert_eq!(entries[0].expires, Some(datetime!(2027-01-31 23:59:59 UTC)));
        assert!(entries.iter().all(|entry| entry.author == "me"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, reason) in [
            ("host,c2.example.invalid\n", "names the columns"),
            ("kind,value\nhost,http://x/\n", "line 2"),
            ("kind,value,expire\nhost,x.invalid,2027-01-31\n", "unknown field `expire`"),
            ("kind,value\nhost\n", "line: 2"),
            ("kind,value,action\nhost,x.invalid,block\n", "neither deny nor allow"),
            (r#"[{"kind":"host","value":"x.invalid"},{"kind":"ghost","value":"x"}]"#, "entry 2"),
            (r#"[{"kind":"host","value":"x.invalid","Action":"allow"}]"#, "unknown field"),
            (r#"{"kind":"host"}"#, "no list"),
        ] {
            let said = format!("{:#}", written(text).unwrap_err());
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
