use lazaret_model::{EntryPath, Fact, FactKind, Gap, GapKind, Location};
use lazaret_oci::{Member, NestedBudget, NestedRead, sniff, walk};

use crate::{ByteScanner, Examiner, Subject, analyzers, unpack};

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

/// How deep programs in programs are followed.
const PROGRAMS_DEEP: usize = 3;

/// A gap about a content, which decides only where the content acts.
fn gap(subject: &Subject<'_>, kind: GapKind, detail: String) -> Gap {
    let location = Location::File {
        layer: 0,
        path: subject.path.clone(),
        inside: subject.inside.to_vec(),
        line: None,
        offset: None,
    };
    Gap::minor(kind, location, detail)
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
        self.content(subject, what, nested, &mut seen);
        seen
    }

    /// A content, what is in it if it is an archive, and what is in the programs among all that.
    fn content(
        &mut self,
        subject: &Subject<'_>,
        what: Inspection,
        nested: &NestedBudget,
        seen: &mut Inspected,
    ) {
        self.one(subject, what, seen);
        self.program(subject, what, nested, seen);
        if subject.is_whole()
            && let Some(format) = sniff(subject.bytes)
        {
            let mut read = walk(subject.bytes, format, nested, &mut |member: Member<'_>| {
                let inside: Vec<String>;
                let inner = Subject {
                    path: subject.path,
                    inside: if subject.inside.is_empty() {
                        member.inside
                    } else {
                        inside = subject.inside.iter().chain(member.inside).cloned().collect();
                        &inside
                    },
                    mode: member.mode,
                    size: member.size,
                    bytes: member.bytes,
                    offset: member.offset,
                };
                self.one(&inner, what, seen);
                self.program(&inner, what, nested, seen);
            });
            if what.analyze {
                if !subject.inside.is_empty() {
                    read.archives
                        .iter_mut()
                        .for_each(|a| a.inside.splice(..0, subject.inside.iter().cloned()).for_each(drop));
                    read.gaps
                        .iter_mut()
                        .for_each(|g| g.inside.splice(..0, subject.inside.iter().cloned()).for_each(drop));
                    read.oddities
                        .iter_mut()
                        .for_each(|o| o.0.splice(..0, subject.inside.iter().cloned()).for_each(drop));
                }
                seen.state(subject.path, read);
            }
        }
    }

    /// What a packer hid in a program, and what was put into it.
    fn program(
        &mut self,
        subject: &Subject<'_>,
        what: Inspection,
        nested: &NestedBudget,
        seen: &mut Inspected,
    ) {
        if !subject.is_whole() || !subject.bytes.starts_with(b"\x7fELF") || !self.may_go_deeper(subject) {
            return;
        }
        let Some(packer) = analyzers::elf_packer(subject) else { return };
        let most = usize::try_from(nested.whole_file()).unwrap_or(usize::MAX);
        let opened = unpack::open(subject, packer.as_deref(), most);
        if what.analyze {
            seen.facts.extend(opened.facts.into_iter().map(|kind| subject.fact(kind)));
            let gap = |(kind, detail)| gap(subject, kind, detail);
            seen.gaps.extend(opened.gaps.into_iter().map(gap));
        }
        for inner in opened.inner {
            if let Some(limit) = nested.take(inner.bytes.len() as u64) {
                let detail = format!(
                    "what is in this program is not read, since a limit was reached; raise it with {}",
                    limit.flag()
                );
                seen.gaps.push(Gap { matters: true, ..gap(subject, GapKind::Budget(limit), detail) });
                return;
            }
            let inside: Vec<String> = subject.inside.iter().cloned().chain([inner.name]).collect();
            let size = inner.bytes.len() as u64;
            let member = Subject { inside: &inside, size, bytes: &inner.bytes, ..*subject };
            self.content(&member, what, nested, seen);
        }
    }

    /// Programs in programs end somewhere.
    fn may_go_deeper(&self, subject: &Subject<'_>) -> bool {
        subject.inside.iter().filter(|name| name.starts_with('(')).count() < PROGRAMS_DEEP
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
