//! Programs that start others by files: supervisors, schedulers, init systems.

use std::rc::Rc;

use lazaret_model::{EntryPath, Location};

use super::later;
use super::paper::Paper;
use super::process::{absolute, begin, start as start_process};
use super::programs::wrap;
use crate::Found;
use crate::shell::{Held, Ran, Start, Status, Value, World};

/// Follows a supervisor into what it starts. None where the program is none.
pub(super) fn follow(paper: &mut Paper<'_>, start: &Start, name: &str) -> Option<Ran> {
    if name == "find" {
        hooks(paper, start);
        return None;
    }
    match name {
        "supervisord" => supervisord(paper, start),
        "runsvdir" | "s6-svscan" | "runit" | "runit-init" | "svscan" => {
            let own = start.argv[1..].iter().filter_map(Value::known).find(|a| a.starts_with('/'));
            let dirs: Vec<String> = match own {
                Some(dir) => vec![dir.to_owned()],
                None => vec!["/etc/service".into(), "/service".into(), "/etc/sv".into()],
            };
            for dir in dirs {
                services(paper, start, &dir);
            }
        }
        "init"
            if ["/etc/s6-overlay", "/etc/services.d", "/etc/cont-init.d"]
                .iter()
                .any(|dir| !paper.names(dir).is_empty()) =>
        {
            for dir in
                ["/etc/cont-init.d", "/etc/services.d", "/etc/s6-overlay/s6-rc.d", "/custom-cont-init.d"]
            {
                scripts(paper, start, dir);
                services(paper, start, dir);
            }
        }
        "my_init" => {
            scripts(paper, start, "/etc/my_init.d");
            services(paper, start, "/etc/service");
        }
        "run-parts" => {
            let dir = start.argv[1..].iter().rev().find_map(Value::known).unwrap_or_default().to_owned();
            scripts(paper, start, &dir);
        }
        "cron" | "crond" | "anacron" | "supercronic" | "dcron" | "fcron" | "busybox-crond" => {
            later::scheduler_starts(paper, start);
        }
        // Units are read with all that starts later, and are certain then.
        "systemd" | "init" => {}
        "service" | "rc-service" => {
            let name = start.argv.get(1).and_then(Value::known).unwrap_or_default();
            let path = format!("/etc/init.d/{name}");
            if paper.find(&path).is_some() {
                let argv = vec![Value::sure(path), Value::sure("start")];
                run(paper, start, argv, start.because.clone());
            }
        }
        _ => return None,
    }
    Some(Ran { out: Value::unknown(""), status: Status::Fine })
}

fn run(paper: &mut Paper<'_>, from: &Start, argv: Vec<Value>, because: Vec<Location>) {
    let next = Start {
        parent: from.argv.first().map(|v| crate::shell::program_name(&v.text).to_owned()),
        because,
        ..begin(argv, from.env.clone(), &from.cwd, &from.user, from.certainty, Vec::new())
    };
    start_process(paper, next);
}

/// Every program in a directory, in the order of names, as `run-parts` runs them.
fn scripts(paper: &mut Paper<'_>, start: &Start, dir: &str) {
    for name in paper.names(dir) {
        let path = format!("{}/{name}", dir.trim_end_matches('/'));
        if paper.find(&path).is_some_and(|f| f.is_program()) {
            run(paper, start, vec![Value::sure(path)], start.because.clone());
        }
    }
}

/// `DIR/*/run`.
fn services(paper: &mut Paper<'_>, start: &Start, dir: &str) {
    for name in paper.names(dir) {
        for file in ["run", "up"] {
            let path = format!("{}/{name}/{file}", dir.trim_end_matches('/'));
            if paper.find(&path).as_ref().is_some_and(Found::is_file) {
                run(paper, start, vec![Value::sure(path)], start.because.clone());
            }
        }
    }
}

fn supervisord(paper: &mut Paper<'_>, start: &Start) {
    let args = &start.argv[1..];
    let at = args.iter().position(|v| matches!(v.text.as_str(), "-c" | "--configuration"));
    let own = at.and_then(|at| args.get(at + 1)).and_then(Value::known).map(str::to_owned);
    let own =
        own.or_else(|| args.iter().find_map(|v| v.text.strip_prefix("--configuration=").map(str::to_owned)));
    let files = match own {
        Some(file) => vec![absolute(&start.cwd, &file)],
        None => ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf", "/supervisord.conf"]
            .map(String::from)
            .to_vec(),
    };
    let mut todo: Vec<String> = files.into_iter().rev().collect();
    let mut seen = Vec::new();
    while let Some(file) = todo.pop() {
        if seen.contains(&file) || seen.len() > 64 {
            continue;
        }
        seen.push(file.clone());
        let Held::Text(text) = paper.read(&file, &start.because, start.certainty) else { continue };
        let chain = paper.chain(&file, &start.because);
        let mut section = String::new();
        for (number, line) in text.text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            if section == "include" && key == "files" {
                todo.extend(included(paper, &file, value));
            }
            let is_program =
                ["program:", "eventlistener:", "fcgi-program:"].iter().any(|p| section.starts_with(p));
            if is_program && key == "command" {
                let because = later::at_line(&chain, number as u32 + 1);
                run(paper, start, wrap::words(value).to_vec(), because);
            }
        }
    }
}

fn included(paper: &mut Paper<'_>, file: &str, patterns: &str) -> Vec<String> {
    let base = file.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
    let mut out = Vec::new();
    for pattern in patterns.split_whitespace() {
        let whole = absolute(&base, pattern);
        let (dir, name) = whole.rsplit_once('/').unwrap_or(("", &whole));
        for found in paper.names(dir) {
            if crate::shell::pattern_matches(name, &found) {
                out.push(format!("{dir}/{found}"));
            }
        }
    }
    out
}

/// The environment of processes that no shell started.
pub(super) fn plain_env(path: &str) -> Rc<Vec<(String, Value)>> {
    Rc::new(vec![("PATH".to_owned(), Value::plain(path))])
}

/// The files below a directory, as found.
pub(super) fn below<'a>(paper: &Paper<'a>, dir: &str) -> Vec<Found<'a>> {
    let dir = EntryPath::clean(dir.as_bytes());
    paper.view.below(&dir).filter(Found::is_file).take(4096).collect()
}

/// `find /docker-entrypoint.d -type f | while read f; do "$f"; done` is how entry points run what
/// other layers put there. What `find` lists is not known to the loop, so a folder of hooks that is
/// looked through is taken for run, as "may".
fn hooks(paper: &mut Paper<'_>, start: &Start) {
    let named = start.argv[1..].iter().filter_map(Value::known).find(|a| a.starts_with('/'));
    let Some(dir) = named.map(|d| d.trim_end_matches('/').to_owned()).filter(|d| d.ends_with(".d")) else {
        return;
    };
    let may = Start { certainty: lazaret_model::Certainty::May, ..start.clone() };
    scripts(paper, &may, &dir);
}
