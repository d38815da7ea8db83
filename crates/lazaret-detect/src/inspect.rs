use lazaret_model::{EntryPath, Fact, FactKind, Gap};
use lazaret_oci::{Member, NestedBudget, NestedRead, sniff, walk};

use crate::{ByteScanner, Examiner, Subject};

/// What is to be done with a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// Run the analyzers.
    pub analyze: bool,
    /// Run the byte rules.
    pub match_bytes: bool,
}

/// What one content gave, everything inside it included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// What depends on analyzers only.
    pub facts: Vec<Fact>,
    /// What depends on the byte rules: stored apart, because it is made anew when they change.
    pub matches: Vec<Fact>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Whether later stages will want the content itself.
    pub keep: bool,
}

impl Inspected {
    /// States what is to be said of the archive `path` itself.
    fn state(&mut self, path: &EntryPath, read: NestedRead) {
        let about = |inside: Vec<String>, kind| Fact { inside, ..Fact::about(path, kind) };
        for archive in read.archives {
            let kind =
                FactKind::Archive { format: archive.format.name().to_owned(), members: archive.members };
            self.facts.push(about(archive.inside, kind));
        }
        for (inside, what) in read.oddities {
            self.facts.push(about(inside, FactKind::ArchiveOddity { what }));
        }
        self.gaps.extend(read.gaps.into_iter().map(|gap| gap.into_gap(path)));
    }
}

/// Looks at contents and at what is inside them. Each thread has its own.
pub struct Inspector<'p> {
    examiner: &'p Examiner,
    scanner: ByteScanner<'p>,
}

impl<'p> Inspector<'p> {
    /// An inspector with these analyzers and this scanner for byte rules.
    pub fn new(examiner: &'p Examiner, scanner: ByteScanner<'p>) -> Self {
        Self { examiner, scanner }
    }

    /// Looks at a content; where it is whole and an archive, also at its members, to the depth
    /// and cost that `nested` allows.
    pub fn inspect(&mut self, subject: &Subject<'_>, what: Inspection, nested: &NestedBudget) -> Inspected {
        let mut seen = Inspected::default();
        self.one(subject, what, &mut seen);
        if subject.is_whole()
            && let Some(format) = sniff(subject.bytes)
        {
            let read = walk(subject.bytes, format, nested, &mut |member: Member<'_>| {
                let inner = Subject {
                    path: subject.path,
                    inside: member.inside,
                    mode: member.mode,
                    size: member.size,
                    bytes: member.bytes,
                    offset: member.offset,
                };
                self.one(&inner, what, &mut seen);
            });
            if what.analyze {
                seen.state(subject.path, read);
            }
        }
        seen
    }

    fn one(&mut self, subject: &Subject<'_>, what: Inspection, seen: &mut Inspected) {
        let scanner = &mut self.scanner;
        let mut scan = |subject: &Subject<'_>| scanner.scan(subject);
        let examined = match (what.analyze, what.match_bytes) {
            (true, true) => self.examiner.examine(subject, Some(&mut scan)),
            (true, false) => self.examiner.examine(subject, None),
            (false, _) => self.examiner.examine_bytes(subject, &mut scan),
        };
        for fact in examined.facts {
            if !what.analyze || matches!(fact.kind, FactKind::ByteMatch { .. }) {
                seen.matches.push(fact);
            } else {
                seen.facts.push(fact);
            }
        }
        seen.gaps.extend(examined.gaps);
        seen.keep |= examined.keep && subject.inside.is_empty();
    }
}
