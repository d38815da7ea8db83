//! The start path: what happens when the container starts, and later by itself, on paper.

mod given;
mod later;
mod paper;
mod path;
mod process;
mod programs;
mod recall;
mod sed;
mod supervise;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use lazaret_model::{Certainty, EntryPath, Gap, GapKind, Image, ImageConfig, Location, Phase};

pub use given::Given;
pub use path::{FileReach, LaunchLimits, Missing, StartPath};

use crate::shell::{Input, Setup, Shell, Site, Value};
use crate::{Contents, View};
use paper::Paper;
pub(crate) use process::absolute as absolute_path;
use process::{absolute, begin};
pub(crate) use programs::wrap::words as command_words;

/// `PATH` where the configuration sets none (Moby's default for Linux).
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Follows what an image does: in a plain launch (no arguments, no mounts, no extra variables),
/// later by itself, and while it was built.
pub fn follow(image: &Image, view: &View<'_>, contents: &dyn Contents, limits: &LaunchLimits) -> StartPath {
    follow_given(image, view, contents, limits, Given::default())
}

/// The same for an image of which more is known than its bytes: how it is run, or that its steps
/// are still to be taken.
pub fn follow_given(
    image: &Image,
    view: &View<'_>,
    contents: &dyn Contents,
    limits: &LaunchLimits,
    given: Given<'_>,
) -> StartPath {
    on_deep_stack(|| walk(image, view, contents, limits, given)).unwrap_or_else(|error| {
        let detail =
            format!("following the start path failed ({error}): what the image does was not looked at");
        let kind = GapKind::AnalyzerFailed("start path".to_owned());
        StartPath { gaps: vec![Gap::serious(kind, Location::Image, detail)], ..StartPath::default() }
    })
}

/// Bytes of stack for the walk: at least twice what the deepest nesting takes that the limits allow
/// (`tests/stack.rs` measures it).
const STACK: usize = 32 << 20;

thread_local! {
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// Whether image after image is followed on this thread.
pub(crate) fn is_deep() -> bool {
    IS_DEEP.get()
}

/// Why [`on_deep_stack`] has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeepStackError {
    /// The process may have no such thread: too little memory, too many threads.
    #[error("no thread with {mib} MiB of stack: {0}", mib = STACK >> 20)]
    Thread(#[source] std::io::Error),
    /// The work panicked; what it said is on standard error.
    #[error("it panicked")]
    Panicked,
}

/// Does something on a thread with stack for the deepest walk. Commands inside commands recurse,
/// [`LaunchLimits::depth`] deep at most, and whoever calls may have less stack than that needs.
///
/// Whoever judges many images does all of it inside: what was read of a script for one of them is then
/// known for the next.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, DeepStackError> {
    if is_deep() {
        // What a walk leaves behind is its own.
        return catch_unwind(AssertUnwindSafe(work)).map_err(|_| DeepStackError::Panicked);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("start-path".into()).stack_size(STACK);
        let deep = || {
            IS_DEEP.set(true);
            work()
        };
        let thread = thread.spawn_scoped(scope, deep).map_err(DeepStackError::Thread)?;
        thread.join().map_err(|_| DeepStackError::Panicked)
    })
}

fn walk(
    image: &Image,
    view: &View<'_>,
    contents: &dyn Contents,
    limits: &LaunchLimits,
    given: Given<'_>,
) -> StartPath {
    let mut paper = Paper::new(view, contents, *limits);
    let built = environment(&image.config);
    if given.unbuilt {
        history(&mut paper, &image.config, &built, true);
        paper.base = std::mem::take(&mut paper.written);
    }
    let with = given.launch.map(|launch| launch.apply(&image.config));
    let config = with.as_ref().unwrap_or(&image.config);
    paper.launch = given.launch;
    given::mount_files(&mut paper);
    paper.begin(Phase::Start);
    let env = environment(config);
    let cwd = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
    let cwd = absolute("/", cwd);
    start(&mut paper, config, &env, &cwd);
    given::hooks(&mut paper, config, &env, &cwd);
    health(&mut paper, config, &env, &cwd);
    later::follow(&mut paper);
    triggers(&mut paper, config, &env, &cwd);
    if !given.unbuilt {
        // What a build did, no launch is part of.
        paper.launch = None;
        paper.base.clear();
        history(&mut paper, &image.config, &built, false);
    }
    paper.path
}

fn environment(config: &ImageConfig) -> Rc<Vec<(String, Value)>> {
    let mut env: Vec<(String, Value)> = Vec::new();
    if config.env_value("PATH").is_none() {
        env.push(("PATH".to_owned(), Value::plain(DEFAULT_PATH)));
    }
    env.extend(config.env.iter().map(|(n, v)| (n.clone(), Value::plain(v.clone()))));
    Rc::new(env)
}

fn start(paper: &mut Paper<'_>, config: &ImageConfig, env: &Rc<Vec<(String, Value)>>, cwd: &str) {
    let own = |words: &[String]| words.iter().map(|w| Value::plain(w.clone())).collect::<Vec<_>>();
    let argv: Vec<Value> = own(&config.entrypoint).into_iter().chain(own(&config.cmd)).collect();
    let key = if config.entrypoint.is_empty() { "Cmd" } else { "Entrypoint" };
    let because = vec![given::place(paper, key)];
    let Some(first) = config.argv().first().cloned() else { return };
    let start = begin(argv, env.clone(), cwd, &config.user, Certainty::Will, because.clone());
    process::start(paper, start);
    // A start file that is not there cannot be judged: the image does not start plainly, or
    // something brings it.
    let search = config.env_value("PATH").unwrap_or(DEFAULT_PATH);
    let here = EntryPath::clean(cwd.as_bytes());
    if let Some(host) = given::host_file(paper, &absolute(cwd, &first)).filter(|_| first.contains('/')) {
        let detail = format!("`{first}` comes from {host} on the host: what it does is not known");
        paper.path.gaps.push(Gap::minor(GapKind::Missing, given::place(paper, key), detail));
    } else if paper.view.find_in_path(&first, search, &here).is_none() {
        let detail = format!("`{first}`, which the image starts, is not in it: what it does is not known");
        paper.path.gaps.push(Gap::minor(GapKind::Missing, given::place(paper, key), detail));
    }
}

fn health(paper: &mut Paper<'_>, config: &ImageConfig, env: &Rc<Vec<(String, Value)>>, cwd: &str) {
    let Some(check) = &config.healthcheck else { return };
    paper.begin(Phase::Health);
    let words: Vec<Value> = check.test.iter().skip(1).map(|w| Value::plain(w.clone())).collect();
    let because = vec![given::place(paper, "Healthcheck")];
    let argv = match check.test.first().map(String::as_str) {
        Some("CMD") => words,
        Some("CMD-SHELL") => shell_words(config).into_iter().chain(words).collect(),
        _ => return,
    };
    process::start(paper, begin(argv, env.clone(), cwd, &config.user, Certainty::Will, because));
}

fn shell_words(config: &ImageConfig) -> Vec<Value> {
    if config.shell.is_empty() {
        return vec![Value::sure("/bin/sh"), Value::sure("-c")];
    }
    config.shell.iter().map(|w| Value::plain(w.clone())).collect()
}

fn triggers(paper: &mut Paper<'_>, config: &ImageConfig, env: &Rc<Vec<(String, Value)>>, cwd: &str) {
    for (n, instruction) in config.on_build.iter().enumerate() {
        paper.begin(Phase::OnBuild);
        let Some(text) = run_instruction(instruction) else { continue };
        let argv = build_words(config, &text);
        let because = vec![Location::Config(format!("OnBuild[{n}]"))];
        process::start(paper, begin(argv, env.clone(), cwd, &config.user, Certainty::Will, because));
    }
}

/// What was done while the image was built. With `keep`, what one step writes is there for the
/// next; otherwise the layers show what came of it.
fn history(paper: &mut Paper<'_>, config: &ImageConfig, env: &Rc<Vec<(String, Value)>>, keep: bool) {
    for (n, step) in config.history.iter().enumerate() {
        if keep {
            paper.phase = Phase::Build;
            paper.running.clear();
        } else {
            paper.begin(Phase::Build);
        }
        let Some(text) = history_run(&step.created_by) else { continue };
        let mut env = env.clone();
        let arguments = build_arguments(&step.created_by);
        if !arguments.is_empty() {
            Rc::make_mut(&mut env).extend(arguments);
        }
        let argv = build_words(config, &text);
        process::start(paper, begin(argv, env, "/", "", Certainty::Will, vec![Location::History(n)]));
    }
}

/// The build arguments that a builder notes in front of a step (`|2 NAME=value NAME=value /bin/sh
/// -c …`). Values are not quoted there: one with blanks goes on to the next name.
fn build_arguments(step: &str) -> Vec<(String, Value)> {
    let text = step.trim().strip_prefix("RUN ").unwrap_or(step.trim());
    let Some((count, rest)) = text.strip_prefix('|').and_then(|t| t.split_once(' ')) else {
        return Vec::new();
    };
    let Ok(count) = count.parse::<usize>() else { return Vec::new() };
    let end = ["/bin/sh -c ", "/bin/bash -c ", "/bin/ash -c "].iter().filter_map(|s| rest.find(s)).min();
    let mut found: Vec<(String, String)> = Vec::new();
    for word in rest[..end.unwrap_or(rest.len())].split_whitespace() {
        let named = word.split_once('=').filter(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if let Some((name, value)) = named
            && found.len() < count.min(256)
        {
            found.push((name.to_owned(), value.to_owned()));
        } else if let Some((_, value)) = found.last_mut() {
            value.push(' ');
            value.push_str(word);
        }
    }
    found.into_iter().map(|(name, value)| (name, Value::plain(value))).collect()
}

/// The words of a `RUN`: exec form as JSON, otherwise a text for the shell.
fn build_words(config: &ImageConfig, text: &str) -> Vec<Value> {
    if text.starts_with('[')
        && let Ok(words) = serde_json::from_str::<Vec<String>>(text)
    {
        return words.into_iter().map(Value::sure).collect();
    }
    let mut argv = shell_words(config);
    argv.push(Value::sure(text));
    argv
}

/// The text behind `RUN`, its flags (`--mount=…`) taken away.
fn run_instruction(instruction: &str) -> Option<String> {
    let text = instruction.trim_start();
    let word = text.get(..4)?;
    if !word.eq_ignore_ascii_case("RUN ") {
        return None;
    }
    let mut rest = text[4..].trim_start();
    while rest.starts_with("--") {
        rest = rest.split_once(char::is_whitespace).map_or("", |(_, r)| r).trim_start();
    }
    Some(rest.to_owned())
}

/// The text of a history step that ran something. Classic builders write `/bin/sh -c TEXT`, and
/// `/bin/sh -c #(nop) …` for what ran nothing; BuildKit writes `RUN /bin/sh -c TEXT # buildkit`;
/// both put `|N NAME=value …` in front where build arguments were used.
fn history_run(step: &str) -> Option<String> {
    let mut text = step.trim();
    let buildkit = text.strip_suffix("# buildkit");
    text = buildkit.unwrap_or(text).trim();
    let run = run_instruction(text);
    let is_run = run.is_some();
    let owned = run.unwrap_or_else(|| text.to_owned());
    let mut text = owned.as_str();
    if let Some(rest) = text.strip_prefix('|') {
        // The arguments end where the shell begins.
        let at =
            ["/bin/sh -c ", "/bin/bash -c ", "/bin/ash -c "].iter().filter_map(|s| rest.find(s)).min()?;
        text = &rest[at..];
    }
    for shell in [
        "/bin/sh -c ",
        "/bin/bash -c ",
        "/bin/ash -c ",
        "/bin/bash -o pipefail -c ",
        "/bin/sh -ec ",
        "/bin/bash -exc ",
    ] {
        if let Some(rest) = text.strip_prefix(shell) {
            let rest = rest.trim_start();
            return (!rest.starts_with("#(nop)")).then(|| rest.to_owned());
        }
    }
    is_run.then(|| text.to_owned())
}

/// Runs a text as a shell script of its own.
fn run_text(
    paper: &mut Paper<'_>,
    name: &str,
    text: &str,
    because: Vec<Location>,
    certainty: Certainty,
    numbered: bool,
) {
    let site = if numbered { Site::file(because) } else { Site::fixed(because) };
    let setup = Setup {
        zero: name.to_owned(),
        args: Vec::new(),
        env: supervise::plain_env(DEFAULT_PATH),
        cwd: "/root".to_owned(),
        user: "root".to_owned(),
        site,
        certainty,
        name: crate::shell::program_name(name).to_owned(),
    };
    Shell::new(paper, setup).run_script(text, &Input::default());
}
