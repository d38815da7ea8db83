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
        let packer = self.one(subject, what, seen);
        self.program(subject, packer, what, nested, seen);
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
                let packer = self.one(&inner, what, seen);
                self.program(&inner, packer, what, nested, seen);
            });
            if what.analyze {
                // The walk knows only the archive; this one may itself stand in something.
                let archives = read.archives.iter_mut().map(|archive| &mut archive.inside);
                let gaps = read.gaps.iter_mut().map(|gap| &mut gap.inside);
                let oddities = read.oddities.iter_mut().map(|(inside, _)| inside);
                for inside in archives.chain(gaps).chain(oddities) {
                    *inside = subject.inside.iter().cloned().chain(std::mem::take(inside)).collect();
                }
                seen.state(subject.path, read);
            }
        }
    }

    /// What a packer hid in a program, and what was put into it; `packer` is None for what is no
    /// program.
    fn program(
        &mut self,
        subject: &Subject<'_>,
        packer: Option<Option<String>>,
        what: Inspection,
        nested: &NestedBudget,
        seen: &mut Inspected,
    ) {
        let Some(packer) = packer.filter(|_| may_go_deeper(subject)) else { return };
        if !subject.is_whole() {
            if packer.is_some() && what.analyze {
                let detail = "the program is packed, and too large to be unpacked in memory".to_owned();
                seen.gaps.push(gap(subject, GapKind::Unsupported, detail));
            }
            return;
        }
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

    /// Looks at one content and gives its packer, where it is a program.
    fn one(
        &mut self,
        subject: &Subject<'_>,
        what: Inspection,
        seen: &mut Inspected,
    ) -> Option<Option<String>> {
        let scanner = &mut self.scanner;
        let mut scan = |subject: &Subject<'_>| scanner.scan(subject);
        let examined = match (what.analyze, what.match_bytes) {
            (true, true) => self.examiner.examine(subject, Some(&mut scan)),
            (true, false) => self.examiner.examine(subject, None),
            (false, _) => self.examiner.examine_bytes(subject, &mut scan),
        };
        let packer = examined.facts.iter().find_map(|fact| match &fact.kind {
            FactKind::Elf { packer, .. } => Some(packer.clone()),
            _ => None,
        });
        for fact in examined.facts {
            if !what.analyze || matches!(fact.kind, FactKind::ByteMatch { .. }) {
                seen.matches.push(fact);
            } else {
                seen.facts.push(fact);
            }
        }
        seen.gaps.extend(examined.gaps);
        seen.keep |= examined.keep && subject.inside.is_empty();
        // Where the analyzers are not asked, it is still to be known what to unpack.
        packer.or_else(|| (!what.analyze).then(|| analyzers::elf_packer(subject)).flatten())
    }
}

/// Programs in programs end somewhere.
fn may_go_deeper(subject: &Subject<'_>) -> bool {
    subject.inside.iter().filter(|name| name.starts_with('(')).count() < PROGRAMS_DEEP
}
