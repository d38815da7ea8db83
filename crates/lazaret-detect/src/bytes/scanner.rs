use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use lazaret_model::{Fact, FactKind};

use super::{ByteRules, INSIDE_ARCHIVE, excerpt};
use crate::Subject;

/// How long one content may take. At 100 MB/s, a tenth of what is usual, the largest window is
/// read in less than two seconds.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Matches of one pattern that are remembered: more prove nothing more, and a hostile file can
/// hold millions.
const MATCHES: usize = 1000;

/// Looks through contents with all byte rules. It belongs to one worker, which uses it for
/// content after content.
pub struct ByteScanner<'r> {
    rules: &'r ByteRules,
    /// One for each group of rules.
    scanners: Vec<yara_x::Scanner<'r>>,
}

impl std::fmt::Debug for ByteScanner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteScanner").finish_non_exhaustive()
    }
}

impl<'r> ByteScanner<'r> {
    pub(super) fn new(rules: &'r ByteRules) -> Self {
        let mut scanners: Vec<_> = rules.shards.iter().map(engine).collect();
        // The engine starts its clock with the first scan. A worker that is confined afterwards
        // may start no thread then.
        if let Some(first) = scanners.first_mut() {
            let _ = first.scan(b"");
        }
        Self { rules, scanners }
    }

    /// One [`FactKind::ByteMatch`] for each rule that matches, at the first place that matched.
    /// Where the content comes in windows, each window is looked at for itself, and a rule may
    /// match in several: the caller keeps the first.
    ///
    /// # Errors
    /// One sentence, when the content takes too long or the engine fails; it becomes a gap.
    pub fn scan(&mut self, subject: &Subject<'_>) -> Result<Vec<Fact>, String> {
        if self.rules.uses_globals {
            self.set_globals(subject)
                .map_err(|e| format!("the byte rules cannot be told of this file: {e}"))?;
        }
        let Self { rules, scanners } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| -> Result<Vec<Fact>, String> {
            let mut facts = Vec::new();
            for scanner in scanners {
                let results = scanner.scan(subject.bytes).map_err(|e| match e {
                    yara_x::ScanError::Timeout => {
                        format!("the byte rules took longer than {} seconds", TIME_LIMIT.as_secs())
                    }
                    other => format!("the byte rules failed: {other}"),
                })?;
                facts.extend(results.matching_rules().filter_map(|rule| fact(rules, subject, &rule)));
            }
            Ok(facts)
        }));
        outcome.unwrap_or_else(|_| {
            // What is left of the scanners after a panic cannot be trusted.
            self.scanners = self.rules.shards.iter().map(engine).collect();
            Err("the byte rules panicked".to_owned())
        })
    }

    fn set_globals(&mut self, subject: &Subject<'_>) -> Result<(), yara_x::errors::VariableError> {
        let path = subject.path.to_string();
        let member = subject.inside.last();
        let shown = member.map_or(path.as_str(), String::as_str);
        let filename = shown.rsplit('/').next().unwrap_or_default();
        let extension = filename.rfind('.').map_or("", |at| &filename[at..]);
        let filetype = match subject.bytes {
            [0x7f, b'E', b'L', b'F', ..] => "ELF",
            [b'#', b'!', ..] => "SCRIPT",
            _ => "",
        };
        // Only other people's rules ask for these, and those are the last group.
        let Some(scanner) = self.scanners.last_mut() else { return Ok(()) };
        scanner
            .set_global("path", path.as_str())?
            .set_global("filepath", path.as_str())?
            .set_global("filename", filename)?
            .set_global("extension", extension)?
            .set_global("filetype", filetype)?
            .set_global("owner", "")?
            .set_global(INSIDE_ARCHIVE, member.is_some())?;
        Ok(())
    }
}

fn engine(rules: &yara_x::Rules) -> yara_x::Scanner<'_> {
    let mut scanner = yara_x::Scanner::new(rules);
    scanner.set_timeout(TIME_LIMIT).max_matches_per_pattern(MATCHES).fast_scan(true);
    scanner
}

fn fact(rules: &ByteRules, subject: &Subject<'_>, rule: &yara_x::Rule<'_, '_>) -> Option<Fact> {
    let id = rules.ids.get(rule.namespace())?.get(rule.identifier())?;
    // The author's order is the order of importance: what is shown first is `$a`, not whatever
    // happens to stand first in the file.
    let places = || {
        rule.patterns()
            .filter_map(|pattern| pattern.matches().next().map(|m| (m.range().start, m.range().end)))
    };
    let kind = FactKind::ByteMatch { rule: id.clone(), excerpt: excerpt::of(subject.bytes, places()) };
    let Some((at, _)) = places().next() else { return Some(subject.fact(kind)) };
    let text = memchr::memchr(0, &subject.bytes[..subject.bytes.len().min(8192)]).is_none();
    Some(subject.fact_at(at, text, kind))
}
