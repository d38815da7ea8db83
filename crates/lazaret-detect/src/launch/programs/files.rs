//! Programs that change files.

use lazaret_model::{BehaviourKind, FileOp};

use super::super::paper::Paper;
use super::super::process::absolute;
use super::output;
use crate::shell::{Fetched, Hand, Held, Start, Value, World};
use std::rc::Rc;

/// States what a program does to files, and remembers it for the steps after.
pub(crate) fn effects(paper: &mut Paper<'_>, start: &Start, name: &str) {
    let mut hand = Worker { paper, start, name };
    let args = &start.argv[1..];
    match name {
        "tee" => {
            let append = args.iter().any(|v| matches!(v.text.as_str(), "-a" | "--append" | "-ai" | "-ia"));
            let input = start.input.value.clone().unwrap_or_else(|| Value::unknown(""));
            for path in operands(args, &[]) {
                if !path.text.starts_with("/dev/") {
                    hand.write(path, &input, append);
                }
            }
        }
        "cp" | "mv" | "install" | "ln" | "rsync" => hand.copy(args),
        "dd" => {
            let value = |key: &str| args.iter().find_map(|v| v.text.strip_prefix(key).map(str::to_owned));
            let plain: Vec<Value> = args.iter().filter(|v| !v.text.starts_with("of=")).cloned().collect();
            let content = hand.computed("dd", &plain).unwrap_or_else(|| match value("if=") {
                Some(path) => hand.content(&path),
                None => start.input.value.clone().unwrap_or_else(|| Value::unknown("")),
            });
            if let Some(path) = value("of=").filter(|p| p != "/dev/null") {
                hand.write(&Value::sure(path), &content, false);
            }
        }
        "sed" => {
            let in_place = args.iter().any(|v| {
                v.text == "--in-place"
                    || v.text.starts_with("--in-place=")
                    || v.text.starts_with("-i")
                    || v.text == "-ri"
                    || v.text == "-Ei"
                    || v.text == "-ni"
            });
            if in_place {
                let scripted = args.iter().any(|v| matches!(v.text.as_str(), "-e" | "-f" | "--expression"));
                let mut paths = operands(args, &["-e", "-f", "--expression"]);
                let script = if scripted { None } else { paths.next() };
                let shown = script.map(|s| s.text.clone());
                let paths: Vec<Value> = paths.cloned().collect();
                let own = |v: &Value| v.text.starts_with("-i") || v.text.starts_with("--in-place");
                let mut words: Vec<Value> = args.iter().filter(|v| !own(v)).cloned().collect();
                words.truncate(words.len().saturating_sub(paths.len()));
                for word in &mut words {
                    if matches!(word.text.as_str(), "-ri" | "-Ei" | "-ni") {
                        word.text.truncate(2);
                    }
                }
                for path in &paths {
                    let whole: Vec<Value> = words.iter().chain([path]).cloned().collect();
                    let after = hand.computed("sed", &whole);
                    hand.change(path, shown.clone(), after);
                }
            }
        }
        "chmod" => {
            let mut paths = operands(args, &["--reference"]);
            let mode = paths.next().map(|m| m.text.clone());
            for path in paths {
                hand.file(FileOp::Chmod, path, mode.clone());
            }
        }
        "chattr" => {
            let mode = args
                .iter()
                .find(|v| v.text.starts_with(['+', '-', '=']) && v.text != "-R")
                .map(|v| v.text.clone());
            let paths = args.iter().filter(|v| !v.text.starts_with(['+', '-', '=']));
            for path in paths {
                hand.file(FileOp::Chmod, path, mode.clone());
            }
        }
        "rm" | "unlink" | "shred" | "rmdir" => {
            for path in operands(args, &["-n", "-s"]) {
                hand.remove(path);
            }
        }
        "touch" => {
            for path in operands(args, &["-r", "-d", "-t", "--reference", "--date"]) {
                let place = absolute(&start.cwd, &path.text);
                let there = matches!(hand.paper.stat(&place), Held::Absent);
                let shown = there.then(String::new);
                hand.file(FileOp::Write, path, shown);
            }
        }
        "truncate" => {
            for path in operands(args, &["-s", "--size", "-r"]) {
                hand.write(path, &Value::empty(), false);
            }
        }
        "crontab" => hand.crontab(args),
        "tar" | "bsdtar" | "gtar" => hand.tar(args),
        "unzip" | "7z" | "7za" | "bsdunzip" => {
            let archive = operands(args, &["-d", "-x"]).find(|v| v.text != "x" && v.text != "e").cloned();
            let dir = args.iter().position(|v| v.text == "-d").and_then(|at| args.get(at + 1));
            let own = args.iter().find_map(|v| v.text.strip_prefix("-o").filter(|d| !d.is_empty()));
            let own = own.filter(|_| name.starts_with('7'));
            let dir = dir.map(|v| v.text.as_str()).or(own).unwrap_or(&start.cwd).to_owned();
            if let Some(archive) = archive {
                hand.take_out(&archive, &dir, 0);
            }
        }
        "cpio" | "pax" => hand.cpio(args),
        "ar" => {
            let takes_out = args.first().is_some_and(|v| v.text.trim_start_matches('-').starts_with('x'));
            if let (true, Some(archive)) = (takes_out, args.get(1).cloned()) {
                hand.take_out(&archive, &start.cwd, 0);
            }
        }
        "openssl" | "xxd" | "uudecode" | "sort" | "base64" => hand.coded(args),
        "gunzip" | "bunzip2" | "unxz" | "gzip" | "xz" | "bzip2" | "zstd" | "upx" => {
            let stays = args.iter().any(|v| v.text.starts_with('-') && v.text.contains('c'));
            for path in operands(args, &[]) {
                let fetched = hand.fetched(&path.text);
                let bare = [".gz", ".xz", ".bz2", ".tgz"].iter().find_map(|e| path.text.strip_suffix(e));
                if let (None, Some(bare), false) = (&fetched, bare, stays) {
                    if let Some(content) = hand.computed(name, &[Value::sure("-dc"), path.clone()]) {
                        hand.write(&Value { text: bare.to_owned(), ..path.clone() }, &content, false);
                    }
                    continue;
                }
                if fetched.is_some() {
                    let place = absolute(&start.cwd, &path.text);
                    let bare = [".gz", ".xz", ".bz2", ".zst"].iter().find_map(|e| place.strip_suffix(e));
                    let place = bare.unwrap_or(&place).to_owned();
                    hand.paper.put(&place, None, fetched);
                }
            }
        }
        "gcc" | "cc" | "g++" | "clang" | "make" => {
            let at = args.iter().position(|v| v.text == "-o").and_then(|at| args.get(at + 1)).cloned();
            let fetched = args.iter().find_map(|v| hand.fetched(&v.text));
            if let Some(path) = at {
                let content = Value { fetched, ..Value::unknown("") };
                hand.write(&path, &content, false);
            }
        }
        _ => {}
    }
}

/// Arguments that are no options and no values of options.
fn operands<'v>(args: &'v [Value], with_value: &'v [&'v str]) -> impl Iterator<Item = &'v Value> {
    let mut skip = false;
    let mut only = false;
    args.iter().filter(move |value| {
        let text = value.text.as_str();
        if std::mem::take(&mut skip) {
            return false;
        }
        if only {
            return true;
        }
        if text == "--" {
            only = true;
            return false;
        }
        skip = with_value.contains(&text);
        !text.starts_with('-') || text == "-"
    })
}

struct Worker<'p, 'a, 's> {
    paper: &'p mut Paper<'a>,
    start: &'s Start,
    name: &'s str,
}

impl Worker<'_, '_, '_> {
    fn write(&mut self, path: &Value, content: &Value, append: bool) {
        let path = Value { text: absolute(&self.start.cwd, &path.text), ..path.clone() };
        let hand = Hand { by: self.name, certainty: self.start.certainty, because: &self.start.because };
        self.paper.write(&path, content, append, hand);
    }

    fn file(&mut self, op: FileOp, path: &Value, content: Option<String>) {
        let place = absolute(&self.start.cwd, &path.text);
        let kind = BehaviourKind::File { op, path: place, content, by: self.name.to_owned() };
        self.paper.state(kind, self.start.certainty, self.start.because.clone());
    }

    /// What a program puts out, where that can be computed.
    fn computed(&mut self, name: &str, args: &[Value]) -> Option<Value> {
        let start = self.start;
        let context = output::Context {
            args,
            stdin: start.input.value.as_ref(),
            cwd: &start.cwd,
            root: true,
            most: self.paper.limits.value_bytes,
        };
        let because = || start.because.clone();
        if !self.paper.spend(1 + output::cost(name, args), &because) {
            return None;
        }
        let paper = &mut *self.paper;
        let mut read = |path: &str| match paper.peek(&absolute(&start.cwd, path), start.certainty) {
            Held::Text(value) => Some(value),
            _ => None,
        };
        output::of(name, &context, &mut read).filter(Value::is_known)
    }

    /// Programs that write what they make to a file that an argument names.
    fn coded(&mut self, args: &[Value]) {
        let mut rest = args.to_vec();
        let option = ["-out", "-o", "--output"];
        let target = match rest.iter().position(|v| option.contains(&v.text.as_str())) {
            Some(at) if at + 1 < rest.len() => {
                rest.remove(at);
                rest.remove(at)
            }
            // `xxd -r -p in out`
            _ if self.name == "xxd" => {
                let files: Vec<Value> = operands(args, &["-c", "-g", "-l", "-s", "-o"]).cloned().collect();
                let [_, out] = &files[..] else { return };
                rest.retain(|v| v != out);
                out.clone()
            }
            _ if self.name == "uudecode" => {
                let Some(Held::Text(text)) = operands(args, &[]).next().map(|path| {
                    let place = absolute(&self.start.cwd, &path.text);
                    self.paper.peek(&place, self.start.certainty)
                }) else {
                    return;
                };
                let name =
                    text.text.lines().find(|l| l.starts_with("begin")).and_then(|l| l.splitn(3, ' ').nth(2));
                let Some(name) = name else { return };
                Value::plain(name)
            }
            _ => return,
        };
        let name = self.name;
        let content = self.computed(name, &rest).unwrap_or_else(|| Value::unknown(""));
        let fetched = rest.iter().find_map(|v| self.fetched(&v.text));
        self.write(&target, &Value { fetched, ..content }, false);
    }

    /// A file is edited, to something that may be known.
    fn change(&mut self, path: &Value, how: Option<String>, after: Option<Value>) {
        self.file(FileOp::Write, path, how);
        let place = absolute(&self.start.cwd, &path.text);
        if let Some(after) = after {
            let fetched = self.paper.fetched(&place);
            self.paper.put(&place, Some(after), fetched);
            return;
        }
        let fetched = self.paper.fetched(&place);
        if fetched.is_some() {
            self.paper.put(&place, None, fetched);
        }
    }

    fn remove(&mut self, path: &Value) {
        self.file(FileOp::Delete, path, None);
        let place = absolute(&self.start.cwd, &path.text);
        // Only what these steps wrote is forgotten: that a file of the image is gone would hide
        // what runs it in another launch.
        if let Some(written) = self.paper.written.get_mut(&place) {
            self.paper.changes += usize::from(!written.removed);
            written.removed = true;
        }
    }

    fn content(&mut self, path: &str) -> Value {
        let place = absolute(&self.start.cwd, path);
        match self.paper.peek(&place, self.start.certainty) {
            Held::Text(value) => value,
            Held::Opaque(fetched) => Value { fetched, ..Value::unknown("") },
            _ => Value::unknown(""),
        }
    }

    fn fetched(&self, path: &str) -> Option<Rc<Fetched>> {
        let own = self.paper.fetched(&absolute(&self.start.cwd, path));
        own.or_else(|| match path {
            "-" | "/dev/stdin" => self.start.input.value.as_ref().and_then(|v| v.fetched.clone()),
            _ => None,
        })
    }

    fn copy(&mut self, args: &[Value]) {
        let into = args.iter().position(|v| matches!(v.text.as_str(), "-t" | "--target-directory"));
        let into = into.and_then(|at| args.get(at + 1)).cloned();
        let makes_dir =
            self.name == "install" && args.iter().any(|v| matches!(v.text.as_str(), "-d" | "--directory"));
        let mut paths: Vec<Value> = operands(
            args,
            &["-t", "--target-directory", "-m", "-o", "-g", "-S", "--mode", "--owner", "--group", "-e"],
        )
        .cloned()
        .collect();
        if makes_dir {
            return;
        }
        let target = match into {
            Some(dir) => Value { text: format!("{}/", dir.text), ..dir },
            None if paths.len() > 1 => paths.remove(paths.len() - 1),
            None => return,
        };
        let place = absolute(&self.start.cwd, &target.text);
        let directory = target.text.ends_with('/')
            || paths.len() > 1
            || matches!(self.paper.stat(&place), Held::Directory);
        for source in paths.into_iter().take(64) {
            let content = self.content(&source.text);
            let name = crate::shell::program_name(source.text.trim_end_matches('/'));
            let path = if directory { format!("{place}/{name}") } else { place.clone() };
            let to = Value { text: path, ..target.clone() };
            self.write(&to, &content, false);
            let from = absolute(&self.start.cwd, &source.text);
            self.paper.same_as(&absolute("/", &to.text), &from);
            // A directory of fetched files stays one under its new name.
            if let Some((_, fetched)) = self.paper.unpacked.iter().find(|(dir, _)| *dir == from).cloned() {
                self.paper.unpacked.push((absolute("/", &to.text), fetched));
            }
            if self.name == "mv" {
                self.remove(&source);
            }
        }
    }

    fn crontab(&mut self, args: &[Value]) {
        let user = args.iter().position(|v| v.text == "-u").and_then(|at| args.get(at + 1));
        let user = user.map_or("root", |v| v.text.as_str()).to_owned();
        let path = Value::sure(format!("/var/spool/cron/crontabs/{user}"));
        if args.iter().any(|v| v.text == "-r") {
            self.remove(&path);
            return;
        }
        if args.iter().any(|v| v.text == "-l" || v.text == "-e") {
            return;
        }
        let file = operands(args, &["-u"]).next().map(|v| v.text.clone());
        let content = match file.as_deref() {
            None | Some("-" | "/dev/stdin") => {
                self.start.input.value.clone().unwrap_or_else(|| Value::unknown(""))
            }
            Some(file) => self.content(file),
        };
        self.write(&path, &content, false);
    }

    fn tar(&mut self, args: &[Value]) {
        let first = args.first().map_or("", |v| v.text.as_str());
        let short =
            |v: &Value, c: char| v.text.starts_with('-') && !v.text.starts_with("--") && v.text.contains(c);
        let extracts = args.iter().any(|v| short(v, 'x') || v.text == "--extract" || v.text == "--get")
            || !first.starts_with('-') && first.contains('x');
        if !extracts {
            return;
        }
        let after = |names: &[&str]| {
            let at = args.iter().position(|v| names.contains(&v.text.as_str()))?;
            args.get(at + 1)
        };
        let long = |name: &str| args.iter().find_map(|v| v.text.strip_prefix(name).map(str::to_owned));
        let dir = after(&["-C", "--directory"]).map(|v| v.text.clone()).or_else(|| long("--directory="));
        let dir = dir.unwrap_or_else(|| self.start.cwd.clone());
        // The word behind a group of letters that ends with `f`.
        let grouped = args.iter().enumerate().find(|(n, v)| {
            let group = short(v, 'f') || *n == 0 && !v.text.starts_with('-') && v.text.contains('f');
            group && v.text.ends_with('f')
        });
        let named = grouped.and_then(|(n, _)| args.get(n + 1)).cloned();
        let named = named.or_else(|| after(&["--file"]).cloned());
        let named = named.or_else(|| long("--file=").map(Value::sure));
        let fetched = args.iter().find(|v| self.fetched(&v.text).is_some()).cloned();
        let archive = fetched.or(named).unwrap_or_else(|| Value::sure("-"));
        let strips = after(&["--strip"]).map(|v| v.text.clone());
        let strips = strips.or_else(|| long("--strip-components=")).or_else(|| long("--strip="));
        self.take_out(&archive, &dir, strips.and_then(|n| n.parse().ok()).unwrap_or(0));
    }

    fn cpio(&mut self, args: &[Value]) {
        let takes_out = args.iter().any(|v| {
            let short = v.text.starts_with('-') && !v.text.starts_with("--");
            let letter = if self.name == "pax" { 'r' } else { 'i' };
            short && v.text.contains(letter) || v.text == "--extract"
        });
        if takes_out {
            let options = ["-F", "-f", "-I", "--file"];
            let named = args.iter().position(|v| options.contains(&v.text.as_str()));
            let archive = named.and_then(|at| args.get(at + 1)).cloned();
            let cwd = self.start.cwd.clone();
            self.take_out(&archive.unwrap_or_else(|| Value::sure("-")), &cwd, 0);
        }
    }

    /// Unpacks an archive: what was fetched makes fetched files, what is known makes known ones.
    fn take_out(&mut self, archive: &Value, dir: &str, strips: usize) {
        if let Some(fetched) = self.fetched(&archive.text) {
            self.paper.unpacked.push((absolute(&self.start.cwd, dir), fetched));
            return;
        }
        let Some(bytes) = self.bytes(&archive.text) else { return };
        for (name, content) in super::archive::members(&bytes) {
            let because = || self.start.because.clone();
            if !self.paper.spend(1 + (content.text.len() as u64 >> 12), &because) {
                return;
            }
            let Some(name) = name.splitn(strips + 1, '/').nth(strips).filter(|n| !n.is_empty()) else {
                continue;
            };
            // As tar does it: nothing leaves the directory.
            let inside = lazaret_model::EntryPath::clean(format!("/{name}").as_bytes()).to_string();
            let path = format!("{}{inside}", dir.trim_end_matches('/'));
            self.write(&Value { text: path, ..archive.clone() }, &content, false);
        }
    }

    /// What an archive holds, where a step wrote it, the input is it, or the image has it.
    fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        if matches!(path, "-" | "/dev/stdin") {
            return self.start.input.value.as_ref().filter(|v| v.is_known()).map(Value::bytes);
        }
        let place = absolute(&self.start.cwd, path);
        if let Some(written) = self.paper.written.get(&place) {
            return written.content.as_ref().filter(|v| v.is_known() && !written.removed).map(Value::bytes);
        }
        let found = self.paper.find(&place).filter(crate::Found::is_file)?;
        Some(crate::reads::content(self.paper.contents, &found.data.content?)?.to_vec())
    }
}
