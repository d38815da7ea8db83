//! What happens to files.

use lazaret_model::FileOp;

use super::command::cut;
use super::{At, COMMAND, Change, Deed, SHOWN_LINES, TEXT, Topic};
use crate::story::sentence::{Sentence, say};
use crate::story::{Mark, Step, schedule};

impl At<'_, '_, '_> {
    pub(super) fn change(&mut self, change: &Change<'_>) {
        let whole = change.path.to_owned();
        let host = self.teller.mounts.host(&whole);
        let named = self.teller.mounts.name(&whole);
        match change.op {
            FileOp::Chmod if host.is_none() && !gives_rights(change.content) => {
                self.out.push(Deed::Prepare(vec![whole]));
            }
            FileOp::Chmod => {
                let mode = change.content.unwrap_or_default();
                let alarm = gives_rights(change.content);
                let words =
                    if alarm { "lets whoever runs it have its owner's rights: " } else { "sets the rights " };
                let sentence = if alarm {
                    say(words).then(named)
                } else {
                    say(words).code(mode).say(" on ").then(named)
                };
                let mark = if alarm { Mark::Alarm } else { Mark::Aside };
                self.step(Step::new(mark, sentence), None);
            }
            FileOp::Delete if host.is_none() && is_passing(change.path) => {
                self.out.push(Deed::Prepare(vec![whole]));
            }
            FileOp::Delete => {
                let mark = if host.is_some() { Mark::Alarm } else { Mark::Plain };
                self.step(Step::new(mark, say("deletes ").then(named)), host.map(|_| Topic::Host));
            }
            FileOp::Write | FileOp::Append => self.write(change, &whole, host.is_some(), named),
        }
    }

    fn write(&mut self, change: &Change<'_>, whole: &str, host: bool, named: Sentence) {
        if change.content == Some("") && !host || whole.contains("/tmp.XXX") {
            self.out.push(Deed::Prepare(vec![whole.to_owned()]));
            return;
        }
        let verb = if change.op == FileOp::Append { "adds to " } else { "writes " };
        let mut step = Step::new(Mark::Plain, say(verb).then(named));
        let mut topic = None;
        if host {
            step.mark = Mark::Alarm;
            topic = Some(Topic::Host);
        }
        let content = change.content.unwrap_or_default();
        if schedule::is_crontab(whole) || schedule::is_crontab(&format!("/{whole}")) {
            let whose = if host { "the host" } else { "cron" };
            let with_user = schedule::names_user(whole);
            let jobs = match schedule::jobs(content, with_user) {
                jobs if jobs.is_empty() => schedule::jobs(content, false),
                jobs => jobs,
            };
            step.details.extend(jobs.iter().take(8).map(|job| schedule::words(job, whose)));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        } else if whole.contains("authorized_keys") {
            let keys = content.lines().filter_map(|line| line.split_whitespace().nth(2)).collect::<Vec<_>>();
            let mut sentence = say("whoever holds the key");
            if !keys.is_empty() {
                sentence = sentence.say(" of ").list(keys);
            }
            let where_ = if host { "the host" } else { "the container" };
            let user = owner_of(whole);
            step = step.detail(sentence.say(format!(" can from then on log in to {where_} as {user}")));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        } else if let Some(meaning) = meaning(whole) {
            step = step.detail(say(meaning));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        }
        step.details.extend(shown(content));
        self.step(step, topic);
    }
}

/// Whose keys a file holds.
fn owner_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.iter().position(|part| *part == "home").and_then(|at| parts.get(at + 1)) {
        Some(user) => (*user).to_owned(),
        None if parts.contains(&"root") => "root".to_owned(),
        None => "its owner".to_owned(),
    }
}

/// Files with which something comes back by itself.
fn meaning(path: &str) -> Option<&'static str> {
    let ends = |tail: &str| path.ends_with(tail);
    Some(match () {
        () if ends("/etc/ld.so.preload") => "every program that starts from then on loads what it names",
        () if ends("/etc/passwd") || ends("/etc/shadow") => "it decides who can log in",
        () if path.contains("/etc/sudoers") => "it decides who can become root",
        () if path.contains("/etc/systemd/system/") || path.contains("/lib/systemd/system/") => {
            "a service that the system starts by itself"
        }
        () if path.contains("/etc/profile") || ends("/.bashrc") || ends("/.profile") => {
            "every shell that somebody opens from then on runs it"
        }
        () if path.contains("/sys/kernel/") && ends("core_pattern")
            || ends("/proc/sys/kernel/core_pattern") =>
        {
            "the kernel of the host runs what it names when a program crashes"
        }
        () => return None,
    })
}

/// The first lines of a text, each as a detail.
pub fn shown(text: &str) -> Vec<Sentence> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut out: Vec<Sentence> =
        lines.iter().take(SHOWN_LINES).map(|line| say(TEXT).code(cut(line.trim_end(), COMMAND))).collect();
    if lines.len() > SHOWN_LINES {
        out.push(say(format!("and {} more lines", lines.len() - SHOWN_LINES)));
    }
    out
}

/// Whether a mode lets others run a program with its owner's rights (setuid).
fn gives_rights(mode: Option<&str>) -> bool {
    let Some(mode) = mode else { return false };
    match u32::from_str_radix(mode, 8) {
        Ok(bits) => bits & 0o4000 != 0,
        Err(_) => mode
            .split(',')
            .any(|part| part.contains("+s") && !part.starts_with('g') && !part.starts_with('o')),
    }
}

/// Paths whose removal is housekeeping.
fn is_passing(path: &str) -> bool {
    ["/tmp", "/var/tmp", "/run", "/var/run", "/var/lock", "/var/cache", "/var/lib/apt", "/dev/shm"]
        .iter()
        .any(|dir| path.starts_with(dir))
        || path.ends_with(".pid")
        || path.ends_with(".lock")
        || path.starts_with('$')
}
