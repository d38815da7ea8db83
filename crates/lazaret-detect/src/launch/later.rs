//! What starts later by itself: schedulers, service managers, logins, preloaded libraries.

use lazaret_model::{Certainty, EntryPath, Location, Phase, Reach};

use super::DEFAULT_PATH;
use super::paper::{Paper, Planted};
use super::process::{absolute, begin, start as start_process};
use super::programs::wrap;
use super::recall::{self, Scene};
use super::supervise::{below, plain_env};
use crate::Found;
use crate::shell::{Start, Value, World};

/// The first place of a chain, at a line.
pub(super) fn at_line(chain: &[Location], line: u32) -> Vec<Location> {
    let mut chain = chain.to_vec();
    if let Some(first) = chain.first_mut() {
        *first = first.clone().at_line(line);
    }
    chain
}

fn chain_of(found: &Found<'_>) -> Vec<Location> {
    vec![Location::file(found.layer, found.entry.path.clone())]
}

/// Whether a crontab's lines name a user (`crontab(5)` and cron.d do, users' own do not).
fn has_user(path: &str) -> bool {
    path.starts_with("etc/cron.d/") || path == "etc/crontab"
}

/// Whether a path is where a scheduler looks for a crontab.
fn is_crontab(path: &str) -> bool {
    has_user(path)
        || ["var/spool/cron/crontabs/", "var/spool/cron/", "etc/crontabs/", "var/cron/tabs/"]
            .iter()
            .any(|dir| path.strip_prefix(dir).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')))
}

/// A line of a crontab: its user, where it names one, and its command.
fn cron_line(line: &str, with_user: bool) -> Option<(Option<&str>, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for n in 0..fields {
        let (field, after) = rest.split_once(char::is_whitespace)?;
        let sound = field.starts_with('@')
            || field.bytes().all(|b| b.is_ascii_alphanumeric() || b"*/,-~?#".contains(&b));
        if n == 0 && field.contains('=') || !sound {
            return None;
        }
        rest = after.trim_start();
    }
    if with_user {
        let (user, command) = rest.split_once(char::is_whitespace)?;
        return Some((Some(user), command.trim_start()));
    }
    Some((None, rest))
}

/// Runs the lines of a crontab.
fn crontab(
    paper: &mut Paper<'_>,
    path: &str,
    text: &str,
    chain: &[Location],
    numbered: bool,
    certainty: Certainty,
) {
    let with_user = has_user(path);
    let mut search = DEFAULT_PATH.to_owned();
    for (number, line) in text.lines().enumerate() {
        if let Some(value) = line.trim().strip_prefix("PATH=") {
            value.trim_matches('"').clone_into(&mut search);
        }
        // Users' files that someone wrote in the other form are read in it.
        let read = cron_line(line, with_user).or_else(|| cron_line(line, false));
        let Some((user, command)) = read.filter(|(_, c)| !c.is_empty()) else { continue };
        let because = if numbered { at_line(chain, number as u32 + 1) } else { chain.to_vec() };
        // `%` ends the command; what follows is its input (`crontab(5)`).
        let command = command.split_once('%').filter(|(c, _)| !c.ends_with('\\')).map_or(command, |(c, _)| c);
        let argv = vec![Value::sure("/bin/sh"), Value::sure("-c"), Value::sure(command)];
        let mut start = begin(argv, plain_env(&search), "/root", user.unwrap_or("root"), certainty, because);
        start.parent = Some("cron".to_owned());
        start_process(paper, start);
    }
}

/// A scheduler is on the start path: what its tables hold runs.
pub(super) fn scheduler_starts(paper: &mut Paper<'_>, start: &Start) {
    // A table among the arguments (`supercronic /etc/jobs`), and directories (`crond -c DIR`).
    for value in &start.argv[1..] {
        let Some(name) = value.known() else { continue };
        let path = absolute(&start.cwd, name);
        if let Some(found) = paper.find(&path).filter(Found::is_file) {
            table(paper, &found, start.certainty);
        }
    }
}

fn table(paper: &mut Paper<'_>, found: &Found<'_>, certainty: Certainty) {
    let chain = chain_of(found);
    let Some(found) = paper.find(&found.entry.path.to_string()) else { return };
    let starts = is_scheduled(paper);
    let phase = std::mem::replace(&mut paper.phase, Phase::Scheduled);
    paper.mark_as(&found, if starts { Reach::Starts } else { Reach::Reachable }, Phase::Scheduled, &chain);
    if let Some(text) = paper.text(&found, certainty) {
        let path = found.entry.path.to_str().into_owned();
        crontab(paper, &path, &text, &chain, true, certainty);
    }
    paper.phase = phase;
}

fn is_scheduler(name: &str) -> bool {
    matches!(name, "cron" | "crond" | "anacron" | "supercronic" | "dcron" | "fcron" | "busybox-crond")
}

/// Everything in the image that something else can start.
pub(super) fn follow(paper: &mut Paper<'_>) {
    preloaded(paper);
    let planted = std::mem::take(&mut paper.planted);
    let scene = Scene { scheduled: is_scheduled(paper), booted: booted_by(paper), limits: paper.limits };
    // What comes from outside, or from the image's own start, no other image has.
    let plain = paper.launch.is_none()
        && paper.base.is_empty()
        && paper.root.is_empty()
        && !planted.iter().any(|plant| inner_table(&plant.path).is_some());
    if plain {
        recall::follow(paper, scene, |paper| follow_all(paper, Vec::new()));
    } else {
        follow_all(paper, planted);
    }
}

fn is_scheduled(paper: &Paper<'_>) -> bool {
    paper.started.iter().any(|name| is_scheduler(name))
}

/// The crontab that a path is, also of a host behind a mount: `/mnt/etc/cron.d/x`,
/// `/host/var/spool/cron/x`.
fn inner_table(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/');
    let inner = ["etc/cron", "var/spool/cron", "etc/crontabs"].iter().filter_map(|d| path.find(d)).min();
    inner.map(|at| &path[at..]).filter(|path| is_crontab(path))
}

fn follow_all(paper: &mut Paper<'_>, planted: Vec<Planted>) {
    paper.begin(Phase::Scheduled);
    let scheduled = is_scheduled(paper);
    let certainty = if scheduled { Certainty::Will } else { Certainty::May };
    for dir in ["/etc/cron.d", "/var/spool/cron", "/etc/crontabs", "/var/cron/tabs"] {
        for found in below(paper, dir) {
            let hidden = found.entry.path.file_name().starts_with(b".");
            if !hidden && is_crontab(&found.entry.path.to_str()) {
                table(paper, &found, certainty);
            }
        }
    }
    if let Some(found) = paper.find("/etc/crontab").filter(Found::is_file) {
        table(paper, &found, certainty);
    }
    for dir in
        ["/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/periodic"]
    {
        programs(paper, dir, certainty, &[]);
    }
    for plant in planted {
        let host = paper.launch.and_then(|launch| launch.host_path(&plant.path));
        if let Some(inner) = inner_table(host.as_ref().unwrap_or(&plant.path)) {
            let least = if plant.certainty == Certainty::May { Certainty::May } else { certainty };
            crontab(paper, inner, &plant.content, &plant.because, false, least);
        }
    }
    units(paper);
    let booted = booted_by(paper);
    let booted = if booted { Certainty::Will } else { Certainty::May };
    for name in ["/etc/rc.local", "/etc/rc.d/rc.local"] {
        if let Some(found) = paper.find(name).filter(Found::is_program) {
            run_file(paper, &found, booted, &["start"]);
        }
    }
    programs(paper, "/etc/init.d", Certainty::May, &["start"]);
    logins(paper);
}

fn run_file(paper: &mut Paper<'_>, found: &Found<'_>, certainty: Certainty, args: &[&str]) {
    let path = found.entry.path.to_string();
    let argv = [path.as_str()].iter().chain(args).map(|a| Value::sure(*a)).collect();
    let chain = chain_of(found);
    start_process(paper, begin(argv, plain_env(DEFAULT_PATH), "/", "root", certainty, chain));
}

fn programs(paper: &mut Paper<'_>, dir: &str, certainty: Certainty, args: &[&str]) {
    for found in below(paper, dir) {
        if found.is_program() {
            run_file(paper, &found, certainty, args);
        }
    }
}

/// Whether the start path runs an init system, which starts its units.
fn booted_by(paper: &Paper<'_>) -> bool {
    paper.started.contains("systemd") || paper.started.contains("init")
}

/// systemd's units: what services start, and timers that name them.
fn units(paper: &mut Paper<'_>) {
    let booted = booted_by(paper);
    let certainty = if booted { Certainty::Will } else { Certainty::May };
    let dirs = [
        "/etc/systemd/system",
        "/etc/systemd/user",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        "/usr/local/lib/systemd/system",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for dir in dirs {
        for found in below(paper, dir) {
            let path = found.entry.path.clone();
            let is_service = path.file_name().ends_with(b".service");
            if !is_service || !seen.insert((found.layer, path)) {
                continue;
            }
            let chain = chain_of(&found);
            let Some(text) = paper.text(&found, certainty) else { continue };
            paper.mark(&found, certainty, &chain);
            let mut user = "root".to_owned();
            for line in text.lines() {
                if let Some(value) = line.trim().strip_prefix("User=") {
                    value.clone_into(&mut user);
                }
            }
            for (number, line) in text.lines().enumerate() {
                let Some((key, value)) = line.trim().split_once('=') else { continue };
                if !matches!(key.trim(), "ExecStart" | "ExecStartPre" | "ExecStartPost" | "ExecReload") {
                    continue;
                }
                let words = wrap::words(value.trim().trim_start_matches(['-', '@', '+', '!', ':'])).to_vec();
                if words.is_empty() {
                    continue;
                }
                let because = at_line(&chain, number as u32 + 1);
                let mut start = begin(words, plain_env(DEFAULT_PATH), "/", &user, certainty, because);
                start.parent = Some("systemd".to_owned());
                start_process(paper, start);
            }
        }
    }
}

/// Files that shells read when somebody logs in or opens one.
fn logins(paper: &mut Paper<'_>) {
    paper.begin(Phase::Login);
    let mut files: Vec<Found<'_>> = Vec::new();
    for name in
        ["/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/zshrc", "/etc/zshrc", "/etc/zprofile"]
    {
        files.extend(paper.find(name).filter(Found::is_file));
    }
    for found in below(paper, "/etc/profile.d") {
        if found.entry.path.file_name().ends_with(b".sh") {
            files.push(found);
        }
    }
    let mut homes: Vec<String> = vec!["/root".to_owned()];
    homes.extend(paper.names("/home").into_iter().map(|n| format!("/home/{n}")));
    for home in homes {
        for name in [
            ".bashrc",
            ".bash_profile",
            ".bash_login",
            ".profile",
            ".bash_aliases",
            ".bash_logout",
            ".zshrc",
            ".zprofile",
            ".zshenv",
            ".ashrc",
        ] {
            files.extend(paper.find(&format!("{home}/{name}")).filter(Found::is_file));
        }
    }
    for found in files {
        let path = found.entry.path.to_string();
        let chain = chain_of(&found);
        paper.mark(&found, Certainty::May, &chain);
        if let Some(text) = paper.text(&found, Certainty::May) {
            super::run_text(paper, &path, &text, chain, Certainty::May, true);
        }
    }
}

/// `/etc/ld.so.preload`: every process loads what it names.
fn preloaded(paper: &mut Paper<'_>) {
    let Some(found) = paper.find("/etc/ld.so.preload").filter(Found::is_file) else { return };
    let chain = chain_of(&found);
    paper.mark_as(&found, Reach::Starts, Phase::Start, &chain);
    let Some(text) = paper.text(&found, Certainty::Will) else { return };
    for (number, line) in text.lines().enumerate() {
        for name in line.split([' ', ':', '\t']).filter(|n| n.starts_with('/')) {
            let library = paper.view.resolve(name.as_bytes(), &EntryPath::default());
            if let Some(library) = library.filter(Found::is_file) {
                paper.mark_as(&library, Reach::Starts, Phase::Start, &at_line(&chain, number as u32 + 1));
            }
        }
    }
}
