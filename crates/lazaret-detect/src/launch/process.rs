//! One process: found as the kernel finds it, stated, and followed into what it runs.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, Certainty, EntryPath, Location};

use super::paper::Paper;
use super::programs::{self, Inner, escapes, files, jar, net, output, powershell, scripts, wrap};
use super::{DEFAULT_PATH, supervise};
use crate::Found;
use crate::code;
use crate::shell::{
    Fetched, Held, Input, Know, Ran, Setup, Shell, Site, Start, Status, Value, World, program_name,
};

/// Starts a process and follows what it does.
pub(super) fn start(paper: &mut Paper<'_>, start: Start) -> Ran {
    let because = || start.because.clone();
    if start.argv.is_empty() || !paper.spend(1, &because) || !paper.enter(&because) {
        return Ran { out: Value::unknown(""), status: Status::Unknown };
    }
    let ran = Process::find(paper, start).run(paper);
    paper.leave();
    ran
}

/// Whether a file stands in a directory of the default `PATH`.
fn is_system_folder(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(folder, _)| DEFAULT_PATH.split(':').any(|known| known == folder))
}

struct Process<'a> {
    start: Start,
    /// The name that says which program it is: the file's name at the end of all links where it
    /// is one that we know, else as it was called.
    name: String,
    /// The absolute path where the program is.
    path: Option<String>,
    found: Option<Found<'a>>,
    fetched: Option<Rc<Fetched>>,
}

impl<'a> Process<'a> {
    fn find(paper: &mut Paper<'a>, start: Start) -> Self {
        let called = start.argv[0].known().unwrap_or_default().to_owned();
        let mut name = program_name(&called).to_owned();
        let search = env(&start, "PATH").unwrap_or(DEFAULT_PATH).to_owned();
        let untouched = paper.written.is_empty() && paper.unpacked.is_empty();
        let candidates: Vec<String> = if called.contains('/') || called.starts_with('<') {
            vec![absolute(&start.cwd, &called)]
        } else if called.is_empty() || untouched {
            Vec::new()
        } else {
            search.split(':').map(|dir| format!("{}/{called}", dir.trim_end_matches('/'))).collect()
        };
        // What an earlier step put there comes before what the image holds.
        // What was unpacked among the system's own programs replaces none that everybody knows.
        let own = !called.contains('/') && programs::is_known(&called);
        let written = candidates.iter().find(|path| {
            paper.written.contains_key(*path)
                || (paper.fetched(path).is_some() && !(own && is_system_folder(path)))
        });
        if let Some(path) = written.cloned() {
            let fetched = paper.fetched(&path);
            // A copy or a link under another name is still the program that it was.
            let source = paper.written.get(&path).and_then(|w| w.source.clone());
            let found = source.as_deref().and_then(|s| paper.find(s)).filter(Found::is_file);
            if let Some(source) = source.as_deref().map(program_name)
                && !programs::is_known(&name)
                && (programs::is_known(source) || programs::is_coder(source))
            {
                name = source.to_owned();
            }
            return Self { name, found, fetched, path: Some(path), start };
        }
        let cwd = EntryPath::clean(start.cwd.as_bytes());
        let found = paper.search(&called, &search, &cwd).filter(|_| !called.is_empty());
        let real = found.as_ref().map(|f| f.entry.path.to_string());
        if let Some(real) = &real {
            let real_name = program_name(real);
            // A link to a program that is known by its own name (`/start` → `/bin/bash`); the
            // multi-call binaries are known by the name they are called by.
            let multi = matches!(real_name, "busybox" | "toybox" | "coreutils");
            let says = |word: &str| programs::is_known(word) || programs::is_coder(word);
            if !multi && !programs::is_known(&name) && programs::is_known(real_name) {
                name = real_name.to_owned();
            } else if multi
                && !says(&name)
                && start.argv.get(1).and_then(Value::known).is_some_and(|first| says(program_name(first)))
            {
                // A name that is none of its tools' is another name of the whole box.
                name = real_name.to_owned();
            } else if !multi
                && !programs::is_known(&name)
                && let Some(same) = found.as_ref().and_then(|f| known_copy(paper, f))
            {
                same.clone_into(&mut name);
            }
        }
        Self { start, name, path: real, found, fetched: None }
    }

    fn run(mut self, paper: &mut Paper<'a>) -> Ran {
        let quiet = matches!(self.name.as_str(), "echo" | "printf") && !self.start.piped;
        if !quiet {
            if let Some(found) = &self.found {
                paper.mark(found, self.start.certainty, &self.start.because);
            }
            self.state(paper);
        }
        if paper.phase == lazaret_model::Phase::Start {
            paper.started.insert(self.name.clone());
        }
        self.mark_preloaded(paper);
        self.mark_module(paper);
        if !programs::only_names_files(&self.name) {
            self.mark_operands(paper);
        }
        net::connections(paper, &self.start, &self.name);
        if let Some(inner) = wrap::inner(&self.name, &self.start.argv[1..]) {
            return self.run_inner(paper, inner);
        }
        if let Some(inner) =
            escapes::inner(&self.name, &self.start.argv[1..], self.start.input.value.as_ref())
        {
            return self.run_inner(paper, inner);
        }
        if let Some(inner) = scripts::inner(paper, &self.start, &self.name) {
            return self.run_inner(paper, inner);
        }
        if programs::is_shell(&self.name) {
            return self.run_shell(paper);
        }
        // Many images call their own start script `init`; a service manager is no script.
        if self.name == "init"
            && self.start.argv[0].text.contains('/')
            && let Some(ran) = self.run_script(paper)
        {
            return ran;
        }
        if let Some(ran) = supervise::follow(paper, &self.start, &self.name) {
            return ran;
        }
        if let Some(ran) = self.run_script(paper) {
            return ran;
        }
        if let Some(ran) = code::follow(paper, &self.start, self.path.as_deref()) {
            return ran;
        }
        if let Some(ran) = powershell::follow(paper, &self.start, &self.name) {
            return ran;
        }
        if let Some(fetched) = net::fetched(paper, &self.start, &self.name) {
            return Ran { out: fetched, status: Status::Fine };
        }
        files::effects(paper, &self.start, &self.name);
        jar::follow(paper, &self.start, &self.name);
        self.output(paper)
    }

    fn output(&mut self, paper: &mut Paper<'a>) -> Ran {
        let because = self.start.because.clone();
        let certainty = self.start.certainty;
        let size: usize = self.start.argv.iter().map(|v| v.text.len()).sum::<usize>()
            + self.start.input.value.as_ref().map_or(0, |v| v.text.len());
        let cost = (size as u64 >> 12) + output::cost(&self.name, &self.start.argv[1..]);
        let affordable = paper.spend(cost, &|| because.clone());
        let most = paper.limits.value_bytes;
        let root = is_root(&self.start.user);
        let context = output::Context {
            args: &self.start.argv[1..],
            stdin: self.start.input.value.as_ref(),
            cwd: &self.start.cwd,
            root,
            most,
        };
        let mut read = |path: &str| match paper.read(&absolute(context.cwd, path), &because, certainty) {
            Held::Text(value) => Some(value),
            Held::Opaque(fetched) => Some(Value { fetched, ..Value::unknown(format!("$(<{path})")) }),
            _ => None,
        };
        let out = if affordable { output::of(&self.name, &context, &mut read) } else { None };
        let status = programs::status(&self.name);
        match out {
            Some(out) => Ran { out, status },
            None => {
                // What a filter that is not computed makes of fetched bytes is still fetched.
                let fetched = self.start.input.value.as_ref().and_then(|v| v.fetched.clone());
                let fetched = fetched.or_else(|| net::brought_by_stranger(&self.start, &self.name));
                let silent = programs::is_silent(&self.name);
                let out = if silent { Value::empty() } else { Value { fetched, ..Value::unknown("") } };
                Ran { out, status }
            }
        }
    }

    fn state(&self, paper: &mut Paper<'a>) {
        let start = &self.start;
        let stdin = start.input.value.as_ref().filter(|v| v.is_known()).map(|v| v.text.clone());
        let kind = BehaviourKind::Process {
            argv: start.argv.iter().map(|v| v.text.clone()).collect(),
            image: self.path.clone(),
            parent: start.parent.clone(),
            fed_by: start.input.fed_by.clone(),
            stdin,
            downloaded: self.downloaded(paper),
        };
        paper.state(kind, start.certainty, start.because.clone());
    }

    /// Where the program, or the script or text that it runs, was fetched from.
    fn downloaded(&self, paper: &Paper<'a>) -> Option<String> {
        if let Some(fetched) = &self.fetched {
            return Some(fetched.url.clone());
        }
        if !programs::runs_code(&self.name) {
            return None;
        }
        let args = &self.start.argv[1..];
        if let Some(fetched) = args.iter().find_map(|v| v.fetched.as_ref()) {
            return Some(fetched.url.clone());
        }
        let operands = args.iter().filter(|v| !v.text.starts_with('-')).filter_map(Value::known);
        for operand in operands {
            if let Some(fetched) = paper.fetched(&absolute(&self.start.cwd, operand)) {
                return Some(fetched.url.clone());
            }
        }
        self.start.input.value.as_ref().and_then(|v| v.fetched.as_ref()).map(|f| f.url.clone())
    }

    /// Files that arguments name: what the program reads or runs.
    fn mark_operands(&self, paper: &mut Paper<'a>) {
        for value in self.start.argv[1..].iter().take(256) {
            let Some(text) = value.known().filter(|t| t.len() < 4096 && !t.contains('\n')) else { continue };
            let name = match text.split_once('=') {
                Some((_, path)) if text.starts_with('-') || path.starts_with('/') => path,
                _ => text,
            };
            let name = name.trim_start_matches('@');
            if name.is_empty() || name.starts_with('-') || paper.written.contains_key(name) {
                continue;
            }
            let found = paper.find(&absolute(&self.start.cwd, name));
            if let Some(found) = found.filter(Found::is_file) {
                paper.mark(&found, self.start.certainty, &self.start.because);
            }
        }
    }

    /// `python -m app.main` runs `app/main.py` or `app/main/__main__.py`, looked for where the
    /// process stands and in `PYTHONPATH`.
    fn mark_module(&self, paper: &mut Paper<'a>) {
        if !self.name.starts_with("python") && !self.name.starts_with("pypy") {
            return;
        }
        let mut words =
            self.start.argv[1..].iter().filter_map(Value::known).skip_while(|word| *word != "-m").skip(1);
        let Some(module) = words.next().map(|name| name.replace('.', "/")) else { return };
        let path = env(&self.start, "PYTHONPATH").unwrap_or_default().to_owned();
        let folders: Vec<String> =
            std::iter::once(self.start.cwd.clone()).chain(path.split(':').map(str::to_owned)).collect();
        for folder in folders.iter().filter(|folder| !folder.is_empty()) {
            for file in [format!("{module}.py"), format!("{module}/__main__.py")] {
                if let Some(found) = paper.find(&absolute(folder, &file)).filter(Found::is_file) {
                    paper.mark(&found, self.start.certainty, &self.start.because);
                    return;
                }
            }
        }
    }

    fn mark_preloaded(&self, paper: &mut Paper<'a>) {
        let Some(list) = env(&self.start, "LD_PRELOAD").map(str::to_owned) else { return };
        for library in list.split([':', ' ']).filter(|l| !l.is_empty()) {
            if let Some(found) = paper.find(library).filter(Found::is_file) {
                paper.mark(&found, self.start.certainty, &self.start.because);
            }
        }
    }

    /// A wrapper runs the rest of its arguments, or a text.
    fn run_inner(self, paper: &mut Paper<'a>, inner: Inner) -> Ran {
        let cwd = self.start.cwd.clone();
        let mut next = self.start;
        next.parent = Some(self.name.clone());
        if let Some(user) = inner.user {
            next.user = user;
        }
        if let Some(cwd) = inner.cwd {
            next.cwd = cwd;
        }
        if inner.may {
            next.certainty = Certainty::May;
        }
        if !inner.env.is_empty() {
            Rc::make_mut(&mut next.env).extend(inner.env);
        }
        if let Some(spread) = inner.spread {
            return run_spread(paper, next, &inner.argv, &spread);
        }
        if inner.append_stdin
            && let Some(value) = &next.input.value
            && value.is_known()
        {
            let words: Vec<Value> = value
                .text
                .split_whitespace()
                .take(256)
                .map(|w| Value { text: w.to_owned(), ..value.clone() })
                .collect();
            next.argv = inner.argv.into_iter().chain(words).collect();
            next.input = Input::default();
        } else if inner.append_stdin {
            let shown = Value::unknown("$(…)");
            next.argv = inner.argv.into_iter().chain([shown]).collect();
            next.input = Input::default();
        } else {
            next.argv = inner.argv;
        }
        if let Some(fed) = inner.fed_by {
            next.input = Input { value: None, fed_by: vec![fed] };
        }
        if next.argv.is_empty() {
            return Ran { out: Value::unknown(""), status: Status::Fine };
        }
        let Some(root) = inner.root.map(|root| absolute(&cwd, &root)) else {
            return start(paper, next);
        };
        // Everything below it has another root, until it ends.
        let inside = format!("{}{}", paper.root, root.trim_end_matches('/'));
        let outside = std::mem::replace(&mut paper.root, inside);
        let ran = start(paper, next);
        paper.root = outside;
        ran
    }

    /// `sh -c TEXT`, `sh FILE`, or a shell that reads its input.
    fn run_shell(self, paper: &mut Paper<'a>) -> Ran {
        let mut args = self.start.argv[1..].to_vec();
        let mut text = false;
        let mut reads_input = false;
        while let Some(word) = args.first().and_then(Value::known).map(str::to_owned) {
            if !word.starts_with(['-', '+']) || word.len() < 2 {
                break;
            }
            args.remove(0);
            match word.as_str() {
                "--" => break,
                "--rcfile" | "--init-file" | "-o" | "+o" | "-O" | "+O" => {
                    if !args.is_empty() {
                        args.remove(0);
                    }
                }
                long if long.starts_with("--") => {}
                flags => {
                    text |= flags.starts_with('-') && flags.contains('c');
                    reads_input |= flags.contains('s');
                    if flags.ends_with('o') && !args.is_empty() {
                        args.remove(0);
                    }
                }
            }
        }
        if text {
            if args.is_empty() {
                return Ran { out: Value::empty(), status: Status::Fine };
            }
            let script = args.remove(0);
            let zero = if args.is_empty() { self.name.clone() } else { args.remove(0).text };
            let site = Site::fixed(self.start.because.clone());
            return self.interpret(paper, &script, zero, args, site);
        }
        if !reads_input && let Some(file) = args.first().cloned() {
            let Some(path) = file.known().map(|p| absolute(&self.start.cwd, p)) else {
                return Ran { out: Value::unknown(""), status: Status::Unknown };
            };
            return match paper.read(&path, &self.start.because, self.start.certainty) {
                Held::Text(script) => {
                    let own = paper.chain(&path, &[]).is_empty();
                    let chain = paper.chain(&path, &self.start.because);
                    let site = if own { Site::fixed(chain) } else { Site::file(chain) };
                    let args = args[1..].to_vec();
                    self.interpret(paper, &script, file.text.clone(), args, site)
                }
                _ => {
                    if let Some(found) = paper.find(&path).filter(Found::is_file) {
                        paper.unread(&found, &self.start.because);
                    }
                    Ran { out: Value::unknown(""), status: Status::Fine }
                }
            };
        }
        match self.start.input.value.clone() {
            Some(script) => {
                let site = Site::fixed(self.start.because.clone());
                self.interpret(paper, &script, self.name.clone(), args, site)
            }
            None => Ran { out: Value::unknown(""), status: Status::Fine },
        }
    }

    /// Runs a text as a shell script.
    fn interpret(
        &self,
        paper: &mut Paper<'a>,
        script: &Value,
        zero: String,
        args: Vec<Value>,
        site: Site,
    ) -> Ran {
        // Fetched content is what nobody has seen; a text that is one unknown says nothing.
        if script.fetched.is_some() || (!script.is_known() && script.text.starts_with('$')) {
            return Ran { out: Value::unknown(""), status: Status::Unknown };
        }
        let frame = (zero.clone(), args.iter().map(|v| v.text.clone()).collect(), self.start.user.clone());
        if site.numbered && paper.running.contains(&frame) {
            return Ran { out: Value::unknown(""), status: Status::Unknown };
        }
        paper.running.push(frame);
        let certainty = if script.know == Know::Guess { Certainty::May } else { self.start.certainty };
        let setup = Setup {
            name: program_name(&zero).to_owned(),
            zero,
            args,
            env: self.start.env.clone(),
            cwd: self.start.cwd.clone(),
            user: self.start.user.clone(),
            site,
            certainty,
        };
        let input = self.start.input.clone();
        let input = if Some(script) == input.value.as_ref() { Input::default() } else { input };
        let hook = ["BASH_ENV", "ENV"].iter().find_map(|name| env(&self.start, name)).map(str::to_owned);
        let mut shell = Shell::new(paper, setup);
        if let Some(hook) = hook {
            shell.run_hook(&hook);
        }
        let out = shell.run_script(&script.text, &input);
        paper.running.pop();
        Ran { out, status: Status::Fine }
    }

    /// A file that starts with `#!`, or one without that a shell would take for a script.
    fn run_script(&self, paper: &mut Paper<'a>) -> Option<Ran> {
        let path = self.path.clone()?;
        let (script, numbered) = match &self.found {
            Some(found) => match paper.text(found, self.start.certainty) {
                Some(text) => (Value::plain(text), true),
                None => {
                    paper.unread(found, &self.start.because);
                    return None;
                }
            },
            None => match paper.peek(&path, self.start.certainty) {
                Held::Text(text) => (text, false),
                _ => return None,
            },
        };
        let args = self.start.argv[1..].to_vec();
        let chain = paper.chain(&path, &self.start.because);
        let Some(line) = script.text.strip_prefix("#!").map(|t| t.lines().next().unwrap_or_default()) else {
            // `execvp` and shells give what the kernel refuses to `/bin/sh`.
            if script.text.is_empty() || script.text.contains('\u{10fe00}') || script.fetched.is_some() {
                return None;
            }
            let site = if numbered { Site::file(chain) } else { Site::fixed(chain) };
            return Some(self.interpret(paper, &script, path, args, site));
        };
        let line = line.trim();
        let (interpreter, argument) = match line.split_once([' ', '\t']) {
            Some((i, a)) => (i.to_owned(), a.trim().to_owned()),
            None => (line.to_owned(), String::new()),
        };
        let mut words: Vec<String> = vec![interpreter];
        if program_name(&words[0]) == "env" {
            // The kernel passes one argument; `env -S` splits it.
            let rest = argument.strip_prefix("-S").or_else(|| argument.strip_prefix("--split-string="));
            let split: Vec<&str> = rest.unwrap_or(&argument).split_whitespace().collect();
            let skip = split.iter().take_while(|w| w.contains('=') || w.starts_with('-')).count();
            words = split[skip..].iter().map(|w| (*w).to_owned()).collect();
        } else if !argument.is_empty() {
            words.push(argument);
        }
        let interpreter = words.first().cloned().unwrap_or_default();
        if let Some(found) = paper
            .find(&absolute("/", &interpreter))
            .or_else(|| paper.view.find_in_path(&interpreter, DEFAULT_PATH, &EntryPath::default()))
        {
            paper.mark(&found, self.start.certainty, &self.start.because);
        }
        let name = program_name(&interpreter).to_owned();
        if programs::is_shell(&name) || matches!(name.as_str(), "with-contenv" | "execlineb" | "openrc-run") {
            let site = if numbered { Site::file(chain) } else { Site::fixed(chain) };
            let zero = self.start.argv[0].text.clone();
            let zero = if zero.contains('/') { zero } else { path };
            return Some(self.interpret(paper, &script, zero, args, site));
        }
        if words.is_empty() || name == self.name {
            return None;
        }
        // Another language: the interpreter is started on it, as the kernel does.
        let nested =
            paper.find(&absolute("/", &interpreter)).and_then(|f| paper.text(&f, self.start.certainty));
        if nested.is_some_and(|t| t.starts_with("#!")) || wrap::is_wrapper(&name) {
            let mut argv: Vec<Value> = words.into_iter().map(Value::sure).collect();
            argv.push(Value::sure(path));
            argv.extend(args);
            return Some(start(paper, Start { argv, ..self.start.clone() }));
        }
        let argv =
            words.iter().map(|w| Value::sure(w.clone())).chain([Value::sure(path)]).chain(args).collect();
        let next = Start { argv, ..self.start.clone() };
        code::follow(paper, &next, Some(&interpreter)).or_else(|| powershell::follow(paper, &next, &name))
    }
}

/// Starts that one `xargs` or `parallel` makes.
const MOST_STARTS: usize = 64;

/// Runs a command once for each of several words, or with some of them at once.
fn run_spread(paper: &mut Paper<'_>, from: Start, argv: &[Value], spread: &wrap::Spread) -> Ran {
    let given = spread.words.is_some();
    let input = from.input.value.clone().filter(Value::is_known);
    let words: Vec<Value> = match (&spread.words, &input) {
        (Some(words), _) => words.clone(),
        (None, Some(value)) => {
            let split: Vec<&str> = match spread.delimiter {
                Some(delimiter) => value.text.split(delimiter).filter(|w| !w.is_empty()).collect(),
                None if spread.place.is_some() => value.text.lines().map(str::trim).collect(),
                None => value.text.split_whitespace().collect(),
            };
            let words = split.into_iter().filter(|w| !w.is_empty());
            words.map(|w| Value { text: w.trim_matches(['\'', '"']).to_owned(), ..value.clone() }).collect()
        }
        _ => vec![Value { fetched: None, ..Value::unknown("$(…)") }],
    };
    let mut next = from;
    // With words that are known it does run.
    if input.is_none() && !given {
        next.certainty = Certainty::May;
    }
    next.input = Input::default();
    let count = spread.count.unwrap_or(if spread.place.is_some() || given { 1 } else { 256 }).max(1);
    let mut whole = Value::empty();
    for group in words.chunks(count).take(MOST_STARTS) {
        let mut words = Vec::with_capacity(argv.len() + group.len());
        match &spread.place {
            Some(place) => words.extend(argv.iter().map(|v| Value {
                text: v.text.replace(place.as_str(), &group[0].text),
                know: v.know.min(group[0].know),
                fetched: v.fetched.clone(),
            })),
            None => words.extend(argv.iter().chain(group).cloned()),
        }
        if spread.by_shell {
            let text = words.iter().map(|v| v.text.as_str()).collect::<Vec<_>>().join(" ");
            let know = words.iter().map(|v| v.know).min().unwrap_or(Know::Sure);
            words = vec![Value::sure("sh"), Value::sure("-c"), Value { text, know, fetched: None }];
        }
        let ran = start(paper, Start { argv: words, ..next.clone() });
        whole.push(&ran.out, paper.limits.value_bytes);
    }
    Ran { out: whole, status: Status::Fine }
}

/// Tools that are copied under other names so that nobody sees them called.
const COPIED: &[&str] = &[
    "busybox",
    "curl",
    "wget",
    "bash",
    "dash",
    "sh",
    "nc",
    "ncat",
    "nc.openbsd",
    "nc.traditional",
    "socat",
    "python3",
    "perl",
    "node",
    "php",
    "ruby",
    "chroot",
    "nsenter",
    "env",
    "base64",
    "openssl",
    "ssh",
];

/// [`same_as`], looked up once for each file: a script starts the same program again and again.
fn known_copy(paper: &mut Paper<'_>, found: &Found<'_>) -> Option<&'static str> {
    let place = (found.layer, found.index);
    if let Some(known) = paper.copies.get(&place) {
        return *known;
    }
    let same = same_as(paper, found);
    paper.copies.insert(place, same);
    same
}

/// The tool of which a file is a copy: the same content stands at the tool's own place. Where it
/// stands at several tools' places it is a box of all of them, or tells nothing.
fn same_as(paper: &Paper<'_>, found: &Found<'_>) -> Option<&'static str> {
    let content = found.data.content.filter(|_| found.data.size > 0)?;
    let stands_at = |tool: &str, dir: &str| {
        let path = EntryPath::from(format!("{dir}/{tool}").as_str());
        let other = paper.view.resolve(path.as_bytes(), &EntryPath::default());
        path != found.entry.path
            && other.is_some_and(|o| {
                o.data.content == Some(content) && o.entry.path.file_name() == tool.as_bytes()
            })
    };
    let dirs = ["usr/bin", "bin", "usr/local/bin", "usr/sbin", "sbin"];
    let same: Vec<&'static str> =
        COPIED.iter().copied().filter(|tool| dirs.iter().any(|dir| stands_at(tool, dir))).collect();
    match same.as_slice() {
        [one] => Some(one),
        [first, ..] if *first == "busybox" => Some("busybox"),
        _ => None,
    }
}

/// A variable of the process's environment; the last one wins.
pub(super) fn env<'s>(start: &'s Start, name: &str) -> Option<&'s str> {
    start.env.iter().rev().find(|(n, _)| n == name).and_then(|(_, v)| v.known())
}

/// A path as the process means it, `.` and `..` taken away.
pub(crate) fn absolute(cwd: &str, path: &str) -> String {
    if path.starts_with(['<', '>', '$']) {
        return path.to_owned();
    }
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    EntryPath::clean(whole.as_bytes()).to_string()
}

pub(super) fn is_root(user: &str) -> bool {
    matches!(user.split(':').next().unwrap_or_default(), "" | "root" | "0")
}

/// A start that the configuration or a file asks for, from nothing but its words.
pub(super) fn begin(
    argv: Vec<Value>,
    env: Rc<Vec<(String, Value)>>,
    cwd: &str,
    user: &str,
    certainty: Certainty,
    because: Vec<Location>,
) -> Start {
    Start {
        argv,
        env,
        cwd: cwd.to_owned(),
        user: user.to_owned(),
        input: Input::default(),
        certainty,
        because,
        parent: None,
        piped: false,
    }
}
