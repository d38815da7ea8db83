//! What a program does outside of itself, told to the world.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, Certainty, FileOp};

use super::interp::Interp;
use super::value::{Thing, Val};
use crate::shell::{Fetched, Hand, Held, Input, Know, Start, Value};

/// How a program that is started is tied to the one that starts it.
#[derive(Default)]
pub(super) struct Ties {
    pub stdin: Option<Val>,
    pub cwd: Option<Val>,
    pub env: Option<Val>,
}

/// The longest piece of code that is shown as a word of a process.
const SHOWN_CODE: usize = 16 << 10;

impl Interp<'_> {
    /// Starts a program.
    pub fn run_words(&mut self, words: Vec<Val>, ties: Ties) -> Val {
        let argv: Vec<Value> = words.iter().map(Val::word).collect();
        if argv.is_empty() {
            return Val::unknown("$(…)");
        }
        let mut input = Input::default();
        let fed = match &ties.stdin {
            Some(Val::Thing(thing)) => match &**thing {
                Thing::Socket(peer) => peer.borrow().clone(),
                Thing::Process { out, .. } => {
                    input.value = Some(out.word());
                    None
                }
                _ => None,
            },
            Some(value @ (Val::Text(_) | Val::Unknown(_))) => {
                input.value = Some(value.word());
                let through = value.origin().fetched;
                through.and_then(|fetched| address_of(&fetched.url)).map(Rc::from)
            }
            Some(Val::Int(n)) => self.descriptors.get(n).cloned(),
            _ => self.descriptors.get(&0).cloned(),
        };
        // A text for a shell that comes from a connection is a shell fed by it.
        let told =
            words.iter().find_map(|w| w.origin().fetched).and_then(|f| address_of(&f.url)).map(Rc::from);
        if let Some(address) = fed.or(told) {
            input.fed_by.push(address.to_string());
        }
        let mut env = self.start.env.clone();
        if let Some(Val::Dict(dict)) = &ties.env
            && let Ok(dict) = dict.try_borrow()
        {
            let own = dict.entries.iter().take(256);
            Rc::make_mut(&mut env).extend(own.filter_map(|(k, v)| Some((k.known()?.into_owned(), v.word()))));
        }
        let cwd = ties.cwd.as_ref().and_then(|c| c.known().map(|c| self.absolute(&c)));
        let start = Start {
            argv,
            env,
            cwd: cwd.unwrap_or_else(|| self.start.cwd.clone()),
            user: self.start.user.clone(),
            input,
            certainty: self.certainty,
            because: self.because(),
            parent: Some(self.title.clone()),
            piped: true,
        };
        self.effects += 1;
        let ran = self.world.start(start);
        let out = Val::from_word(&ran.out);
        match out {
            Val::Text(text) if text.data.is_empty() => Val::hidden("$(output)", text.origin),
            other => other,
        }
    }

    /// Gives a text to a shell.
    pub fn run_shell_text(&mut self, text: Val, ties: Ties) -> Val {
        self.run_words(vec![Val::text("/bin/sh"), Val::text("-c"), text], ties)
    }

    pub fn run_command_text(&mut self, text: Val) -> Val {
        self.run_shell_text(text, Ties::default())
    }

    /// States a connection.
    pub fn state_network(&mut self, host: &str, port: Option<u16>, url: Option<String>) {
        self.effects += 1;
        let kind = BehaviourKind::Network { host: host.to_owned(), port, url, by: self.program() };
        let because = self.because();
        self.world.state(kind, self.certainty, because);
    }

    /// The name of the program that does things.
    pub fn program(&self) -> String {
        crate::shell::program_name(&self.interpreter).to_owned()
    }

    /// What an address sends.
    pub fn fetch(&mut self, url: &Val) -> Val {
        let Some(address) = self.connect_to_url(url) else {
            return Val::hidden("$(response)", url.origin());
        };
        let by = self.program();
        Val::thing(Thing::Response(Rc::new(Fetched { url: address, by: vec![by] })))
    }

    /// States the connection to an address; the address as text where it is one.
    pub fn connect_to_url(&mut self, url: &Val) -> Option<String> {
        let text = match url {
            Val::Text(text) => text.show().into_owned(),
            Val::Dict(dict) => {
                let part =
                    |name: &str| dict.try_borrow().ok().and_then(|d| d.named(name).map(|v| v.word().text));
                let host = part("hostname").or_else(|| part("host")).or_else(|| part("url"))?;
                if host.contains("://") {
                    host
                } else {
                    let port = part("port").map(|p| format!(":{p}")).unwrap_or_default();
                    format!("http://{host}{port}{}", part("path").unwrap_or_default())
                }
            }
            Val::Unknown(hidden) => hidden.shown.to_string(),
            _ => return None,
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
        if scheme.eq_ignore_ascii_case("file") || scheme.eq_ignore_ascii_case("data") {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
            _ => (authority, None),
        };
        if host.is_empty() {
            return None;
        }
        self.state_network(host.trim_matches(['[', ']']), port, Some(text.clone()));
        Some(text)
    }

    /// Connects a socket.
    pub fn connect_socket(&mut self, socket: &Val, host: &Val, port: &Val) {
        let shown = host.word().text;
        let number = port.int().and_then(|p| u16::try_from(p).ok());
        self.state_network(&shown, number, None);
        if let Val::Thing(thing) = socket
            && let Thing::Socket(peer) = &**thing
        {
            let port = number.map_or_else(|| port.word().text, |p| p.to_string());
            *peer.borrow_mut() = Some(Rc::from(format!("/dev/tcp/{shown}/{port}")));
        }
    }

    /// A socket that waits at a port.
    pub fn listen_socket(&mut self, socket: &Val, port: &Val) {
        if let Val::Thing(thing) = socket
            && let Thing::Socket(peer) = &**thing
        {
            let port = port.int().map_or_else(|| port.word().text, |p| p.to_string());
            *peer.borrow_mut() = Some(Rc::from(format!("/dev/listen/{port}")));
        }
    }

    /// Writes a file.
    pub fn write_file(&mut self, path: &Val, content: &Val, append: bool) {
        self.effects += 1;
        let mut place = path.word();
        if let Some(known) = place.known() {
            place.text = self.absolute(known);
        }
        if place.text.starts_with("/dev/null") || place.text.starts_with("/dev/std") {
            return;
        }
        let because = self.because();
        let by = self.program();
        let hand = Hand { by: &by, certainty: self.certainty, because: &because };
        self.world.write(&place, &content.word(), append, hand);
    }

    /// States what happens to a file besides writing.
    pub fn change_file(&mut self, op: FileOp, path: &Val, content: Option<String>) {
        self.effects += 1;
        let path = path.known().map_or_else(|| path.word().text, |p| self.absolute(&p));
        let because = self.because();
        let kind = BehaviourKind::File { op, path, content, by: self.program() };
        self.world.state(kind, self.certainty, because);
    }

    /// What a file holds.
    pub fn read_file(&mut self, path: &Val) -> Val {
        let Some(known) = path.known().map(|p| self.absolute(&p)) else {
            return Val::hidden(&format!("$(<{})", path.word().text), path.origin());
        };
        let because = self.because();
        match self.world.read(&known, &because, self.certainty) {
            Held::Text(value) if self.affords(value.text.len()) => Val::from_word(&value),
            Held::Opaque(Some(fetched)) => Val::fetched(fetched),
            _ => Val::unknown(&format!("$(<{known})")),
        }
    }

    /// Copies a file.
    pub fn copy_file(&mut self, from: &Val, to: &Val) {
        let content = self.read_file(from);
        let target = match to.known() {
            Some(known) => {
                let place = self.absolute(&known);
                let because = self.because();
                let folder = matches!(self.world.read(&place, &because, Certainty::May), Held::Directory);
                let name = from.known().map(|f| crate::shell::program_name(&f).to_owned());
                match name.filter(|_| folder) {
                    Some(name) => Val::text(&format!("{place}/{name}")),
                    None => to.clone(),
                }
            }
            None => to.clone(),
        };
        self.write_file(&target, &content, false);
    }

    /// A path as the program means it.
    pub fn absolute(&self, path: &str) -> String {
        crate::launch::absolute_path(&self.start.cwd, path)
    }

    /// Whether something is at a path: known to be there, or not known.
    pub fn exists(&mut self, path: &Val) -> Val {
        let Some(known) = path.known().map(|p| self.absolute(&p)) else { return Val::unknown("$(exists)") };
        match self.world.stat(&known) {
            // Run arguments may mount something there, or the program may be run again.
            Held::Absent => Val::unset("(exists)"),
            _ => Val::Bool(true),
        }
    }

    /// A variable of the environment.
    pub fn variable(&mut self, name: &Val, default: Option<Val>) -> Val {
        let Some(name) = name.known() else { return Val::unknown("$(environment)") };
        let found = self.start.env.iter().rev().find(|(n, _)| *n == *name).map(|(_, v)| v.clone());
        match (found, default) {
            (Some(value), _) => Val::from_word(&value.at_most(Know::Plain)),
            (None, Some(Val::Text(mut text))) => {
                text.know = text.know.min(Know::Plain);
                Val::Text(text)
            }
            (None, Some(other)) if !matches!(other, Val::None) => other,
            (None, _) => Val::unset(&name),
        }
    }

    /// Runs a text as code of this language.
    pub fn run_code(&mut self, code: &Val) -> Val {
        let origin = code.origin();
        let Some(text) = code.known().map(std::borrow::Cow::into_owned) else {
            if origin.fetched.is_some() || origin.stages.is_some() {
                self.state_code(code);
            }
            return Val::hidden("$(…)", origin);
        };
        if origin.fetched.is_some() || origin.stages.is_some() {
            self.state_code(code);
        }
        if self.rounds >= 128 || !self.spend(1 + (text.len() as u64 >> 4)) || !self.enter() {
            return Val::unknown("$(…)");
        }
        self.rounds += 1;
        let because = self.because();
        let outer = std::mem::replace(&mut self.site, crate::shell::Site::fixed(because));
        let line = self.line;
        let value = self.run_text(&text);
        self.site = outer;
        self.line = line;
        self.rounds -= 1;
        self.leave();
        value
    }

    /// Code that was decoded or fetched and is run now: as the interpreter would be started on
    /// it, fed by what made it.
    fn state_code(&mut self, code: &Val) {
        self.effects += 1;
        let origin = code.origin();
        let mut fed_by: Vec<String> = Vec::new();
        for stage in origin.stages.iter().flat_map(|s| s.iter().rev()) {
            if !fed_by.iter().any(|f| f == stage) {
                fed_by.push((*stage).to_owned());
            }
        }
        let mut text = code.word().text;
        if text.len() > SHOWN_CODE {
            let end = (0..=SHOWN_CODE).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
            text.truncate(end);
        }
        let flag = self.language.inline_flag();
        let name = self.program();
        let kind = BehaviourKind::Process {
            argv: vec![name, flag.to_owned(), text],
            image: Some(self.interpreter.clone()),
            parent: Some(self.title.clone()),
            fed_by,
            stdin: None,
            downloaded: origin.fetched.map(|f| f.url.clone()),
        };
        let because = self.because();
        self.world.state(kind, self.certainty, because);
    }
}

/// `/dev/tcp/HOST/PORT` of `tcp://HOST:PORT`.
fn address_of(url: &str) -> Option<String> {
    let (kind, rest) = url.split_once("://")?;
    if kind == "listen" {
        return Some(format!("/dev/listen/{rest}"));
    }
    let (host, port) = rest.rsplit_once(':')?;
    matches!(kind, "tcp" | "udp").then(|| format!("/dev/{kind}/{host}/{port}"))
}

/// A place that holds libraries, which are not followed.
pub(super) fn is_library_place(path: &str) -> bool {
    const PARTS: &[&str] = &[
        "/site-packages/",
        "/dist-packages/",
        "/node_modules/",
        "/vendor/",
        "/gems/",
        "/usr/lib/python",
        "/usr/local/lib/python",
        "/usr/lib/ruby",
        "/usr/share/perl",
        "/usr/lib/x86_64-linux-gnu/perl",
        "/usr/share/nodejs/",
    ];
    PARTS.iter().any(|part| path.contains(part))
}
