//! What PowerShell's commands, types and members do.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, FileOp};

use super::super::super::process::{self, absolute};
use super::token::Token;
use super::value::{Val, base64, decoded};
use super::{Cursor, Reader, shown};
use crate::shell::{Hand, Held, Input, Start, Value, World};

/// Options without a value.
const SWITCHES: [&str; 16] = [
    "usebasicparsing",
    "force",
    "append",
    "noprofile",
    "recurse",
    "passthru",
    "wait",
    "nonewline",
    "raw",
    "nonewwindow",
    "asjob",
    "skipcertificatecheck",
    "noclobber",
    "asbytestream",
    "useb",
    "silent",
];

/// The words of one command, as they are given to a command of PowerShell's own.
struct Words {
    all: Vec<(Option<String>, Val)>,
}

impl Words {
    /// The value behind one of these options, by any beginning of its name that is long enough.
    fn named(&self, names: &[(&str, usize)]) -> Option<&Val> {
        self.all.iter().find_map(|(option, value)| {
            let option = option.as_deref()?;
            let fits = |(full, least): &(&str, usize)| option.len() >= *least && full.starts_with(option);
            names.iter().any(fits).then_some(value)
        })
    }

    fn plain(&self, n: usize) -> Option<&Val> {
        self.all.iter().filter(|(option, _)| option.is_none()).map(|(_, value)| value).nth(n)
    }

    /// The named one, or the n-th without a name.
    fn get(&self, names: &[(&str, usize)], n: usize) -> Option<Val> {
        self.named(names).or_else(|| self.plain(n)).cloned()
    }
}

impl Reader<'_, '_> {
    /// One argument of a command: what stands together is one word.
    pub(super) fn argument(&mut self, c: &mut Cursor<'_>) -> Val {
        let mut value = self.primary(c);
        while !c.ended() && !c.apart() && !c.is(",") && !c.is(">") && !c.is(">>") {
            let before = c.at;
            let next = self.primary(c);
            if c.at == before {
                break;
            }
            let (left, right) = (shown(&value), shown(&next));
            value = match (value.text(), next.text()) {
                (Some(a), Some(b)) => Val::Text(a + &b),
                _ => Val::Hidden(left + &right),
            };
        }
        value
    }

    /// Runs a command: a block, a function, one of PowerShell's own, or a program.
    pub(super) fn call(&mut self, name: Val, c: &mut Cursor<'_>, input: Option<Val>) -> Val {
        let hidden = || Val::Hidden("$(output)".to_owned());
        if let Val::Block(body) = &name {
            let body = body.clone();
            self.words(c);
            return self.run(&body);
        }
        if name.text().is_some_and(|n| n.eq_ignore_ascii_case("new-object")) {
            return self.new_object(c);
        }
        let words = self.words(c);
        let origin = name.origin();
        if let Some(url) = origin {
            self.run_remote("&", &url);
            return hidden();
        }
        if let Val::Object(kind, parts) = &name
            && kind == "scriptblock"
        {
            let code = parts.first().cloned().unwrap_or_else(hidden);
            return self.run_value("&", &code);
        }
        let Some(text) = name.text() else {
            self.start_program(&name, &words, input);
            return hidden();
        };
        let small = text.to_lowercase();
        if let Some(body) = self.functions.get(&small).cloned() {
            self.vars
                .insert("args".to_owned(), Val::List(words.all.iter().map(|(_, v)| v.clone()).collect()));
            return self.run(&body);
        }
        self.own(&small, &words, input.as_ref()).unwrap_or_else(|| self.start_program(&name, &words, input))
    }

    /// The rest of a command.
    fn words(&mut self, c: &mut Cursor<'_>) -> Words {
        let mut words = Words { all: Vec::new() };
        let mut option: Option<String> = None;
        while !c.ended() && !c.is(">") && !c.is(">>") && words.all.len() < 512 {
            if let Some(Token::Word(word)) = c.peek()
                && word.starts_with('-')
                && word.len() > 1
            {
                c.at += 1;
                if let Some(before) = option.take() {
                    words.all.push((Some(before), Val::List(Vec::new())));
                }
                let bare = word.trim_start_matches('-').trim_end_matches(':').to_lowercase();
                // A program gets its option as it is written.
                words.all.push((Some(format!("\0{word}")), Val::List(Vec::new())));
                if SWITCHES.contains(&bare.as_str()) {
                    words.all.push((Some(bare), Val::List(Vec::new())));
                } else {
                    option = Some(bare);
                }
                continue;
            }
            let before = c.at;
            let mut value = self.argument(c);
            if c.is(",") {
                let mut list = value.items();
                while c.take(",") {
                    c.skip_lines();
                    list.push(self.argument(c));
                }
                value = Val::List(list);
            }
            if c.at == before {
                c.at += 1;
                continue;
            }
            words.all.push((option.take(), value));
        }
        if let Some(before) = option {
            words.all.push((Some(before), Val::List(Vec::new())));
        }
        words
    }

    /// A program that is no command of PowerShell's.
    fn start_program(&mut self, name: &Val, words: &Words, input: Option<Val>) -> Val {
        let mut argv = vec![name.word()];
        for (option, value) in &words.all {
            match option.as_deref().and_then(|o| o.strip_prefix('\0')) {
                Some(written) => argv.push(Value::plain(written)),
                None => argv.extend(value.items().iter().map(Val::word)),
            }
        }
        self.start_words(argv, input)
    }

    fn start_words(&mut self, argv: Vec<Value>, input: Option<Val>) -> Val {
        if argv.first().is_none_or(|name| name.text.is_empty()) {
            return Val::Hidden("$(output)".to_owned());
        }
        let value = input.map(|v| v.word());
        let start = Start {
            argv,
            env: self.start.env.clone(),
            cwd: self.start.cwd.clone(),
            user: self.start.user.clone(),
            input: Input { fed_by: value.iter().map(|_| "pwsh".to_owned()).collect(), value },
            certainty: self.certainty,
            because: self.start.because.clone(),
            parent: Some("pwsh".to_owned()),
            piped: true,
        };
        let ran = process::start(self.paper, start);
        match (&ran.out.fetched, ran.out.known()) {
            (Some(fetched), _) => Val::Remote(fetched.url.clone()),
            (None, Some(text)) => Val::Text(text.trim_end().to_owned()),
            _ => Val::Hidden("$(output)".to_owned()),
        }
    }

    /// Runs a value as code.
    fn run_value(&mut self, by: &str, value: &Val) -> Val {
        if let Some(url) = value.origin() {
            self.run_remote(by, &url);
            return Val::Remote(url);
        }
        match value {
            Val::Block(body) => {
                let body = body.clone();
                self.run(&body)
            }
            Val::Object(kind, parts) if kind == "scriptblock" => {
                let inner = parts.first().cloned().unwrap_or_else(|| Val::Hidden(String::new()));
                self.run_value(by, &inner)
            }
            other => match other.text() {
                Some(text) => self.run_text(&text),
                None => Val::Hidden("$(…)".to_owned()),
            },
        }
    }

    /// States that code is run which nobody has seen.
    fn run_remote(&mut self, by: &str, url: &str) {
        let socket = url.starts_with("/dev/");
        let kind = BehaviourKind::Process {
            argv: vec![by.to_owned(), "$(response)".to_owned()],
            image: None,
            parent: Some("pwsh".to_owned()),
            fed_by: if socket { vec![url.to_owned()] } else { vec!["pwsh".to_owned()] },
            stdin: None,
            downloaded: Some(url.to_owned()),
        };
        self.paper.state(kind, self.certainty, self.start.because.clone());
    }

    fn connect(&mut self, host: &str, port: Option<u16>, url: Option<String>) {
        let kind = BehaviourKind::Network { host: host.to_owned(), port, url, by: "pwsh".to_owned() };
        self.paper.state(kind, self.certainty, self.start.because.clone());
    }

    /// What an address sends.
    fn fetch(&mut self, url: &Val) -> Val {
        let text = shown(url);
        let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
            _ => (authority, None),
        };
        if host.is_empty() {
            return Val::Hidden("$(response)".to_owned());
        }
        let whole = if text.contains("://") { text.clone() } else { format!("http://{text}") };
        self.connect(host, port, Some(whole.clone()));
        Val::Remote(whole)
    }

    /// Writes a file.
    pub(super) fn write(&mut self, path: &Val, content: &Val, append: bool) {
        let path = path.word();
        if path.text.is_empty() || matches!(path.text.as_str(), "$null" | "/dev/null") {
            return;
        }
        let path = Value { text: absolute(&self.start.cwd, &path.text), ..path };
        let mut content = content.word();
        if content.is_known() && !content.text.ends_with('\n') && content.text.len() < 1 << 20 {
            content.text.push('\n');
        }
        let hand = Hand { by: "pwsh", certainty: self.certainty, because: &self.start.because };
        self.paper.write(&path, &content, append, hand);
    }

    fn read_file(&mut self, path: &Val) -> Val {
        let Some(text) = path.text() else { return Val::Hidden("$(content)".to_owned()) };
        let place = absolute(&self.start.cwd, &text);
        match self.paper.read(&place, &self.start.because, self.certainty) {
            Held::Text(value) if value.fetched.is_some() => {
                Val::Remote(value.fetched.map(|f| f.url.clone()).unwrap_or_default())
            }
            Held::Text(value) if value.is_known() => Val::Text(value.text),
            Held::Opaque(Some(fetched)) => Val::Remote(fetched.url.clone()),
            _ => Val::Hidden(format!("$(<{text})")),
        }
    }

    /// Commands of PowerShell's own; None where the name is none.
    fn own(&mut self, name: &str, words: &Words, input: Option<&Val>) -> Option<Val> {
        const PATH: &[(&str, usize)] =
            &[("path", 2), ("literalpath", 2), ("filepath", 2), ("destination", 3)];
        let hidden = || Val::Hidden("$(…)".to_owned());
        Some(match name {
            "iex" | "invoke-expression" => {
                let code = words.get(&[("command", 1)], 0).or_else(|| input.cloned())?;
                self.run_value("Invoke-Expression", &code)
            }
            "icm" | "invoke-command" | "start-job" | "start-threadjob" | "sajb" => {
                let code = words.get(&[("scriptblock", 1)], 0)?;
                self.run_value("Invoke-Command", &code)
            }
            "iwr" | "invoke-webrequest" | "irm" | "invoke-restmethod" | "start-bitstransfer" => {
                let url = words.get(&[("uri", 1), ("source", 2)], 0).or_else(|| input.cloned())?;
                let response = self.fetch(&url);
                if let Some(path) = words.named(&[("outfile", 2), ("destination", 1)]).cloned() {
                    self.write(&path, &response, false);
                }
                response
            }
            "start-process" | "saps" | "start" => {
                let program = words.get(PATH, 0)?;
                let args = words.get(&[("argumentlist", 1), ("args", 3)], 1);
                let mut argv = vec![program.word()];
                for item in args.iter().flat_map(Val::items) {
                    match item.text() {
                        // One text with all arguments is taken apart by the program's own rules.
                        Some(text) if args.as_ref().is_some_and(|a| !matches!(a, Val::List(_))) => {
                            argv.extend(crate::launch::command_words(&text).iter().cloned());
                        }
                        _ => argv.push(item.word()),
                    }
                }
                self.start_words(argv, None)
            }
            "set-content" | "sc" | "out-file" | "add-content" | "ac" | "tee-object" | "tee" => {
                let path = words.get(PATH, 0)?;
                let content = words.named(&[("value", 1), ("inputobject", 2)]).or_else(|| words.plain(1));
                let content = content.or(input).cloned().unwrap_or_else(hidden);
                let append = name.starts_with('a') || words.named(&[("append", 1)]).is_some();
                self.write(&path, &content, append);
                content
            }
            "get-content" | "gc" | "type" => self.read_file(&words.get(PATH, 0)?),
            "remove-item" | "ri" | "del" | "erase" => {
                let path = words.get(PATH, 0)?;
                for item in path.items().iter().take(64) {
                    let place = absolute(&self.start.cwd, &shown(item));
                    let kind = BehaviourKind::File {
                        op: FileOp::Delete,
                        path: place,
                        content: None,
                        by: "pwsh".to_owned(),
                    };
                    self.paper.state(kind, self.certainty, self.start.because.clone());
                }
                hidden()
            }
            "copy-item" | "copy" | "cpi" | "move-item" | "mi" | "move" => {
                let from = words.get(&[("path", 1), ("literalpath", 1)], 0)?;
                let to = words.get(&[("destination", 1)], 1)?;
                let content = self.read_file(&from);
                self.write(&to, &content, false);
                hidden()
            }
            "write-output" | "write-host" | "echo" | "write" => {
                let all: Vec<Val> =
                    words.all.iter().filter(|(o, _)| o.is_none()).map(|(_, v)| v.clone()).collect();
                match all.as_slice() {
                    [one] => one.clone(),
                    _ => Val::List(all),
                }
            }
            "%" | "foreach-object" | "where-object" | "?" | "select-object" | "select" | "sort-object" => {
                let body = words.plain(0).cloned();
                let mut out = Vec::new();
                for item in input.map(Val::items).unwrap_or_default().into_iter().take(4096) {
                    self.vars.insert("_".to_owned(), item.clone());
                    match &body {
                        Some(Val::Block(body)) if name.starts_with(['%', 'f']) => {
                            let value = self.run(&body.clone());
                            out.extend(value.items());
                        }
                        _ => out.push(item),
                    }
                }
                Val::List(out)
            }
            "out-string" | "out-null" | "out-default" | "convertto-json" => {
                input.cloned().unwrap_or_else(hidden)
            }
            "import-module" | "ipmo" => return None,
            "add-type" | "set-alias" | "sal" | "set-strictmode" | "get-date" | "get-random" | "join-path"
            | "test-path" | "start-sleep" | "sleep" | "set-variable" | "get-variable" | "get-childitem"
            | "new-item" | "ni" | "mkdir" | "set-location" | "push-location" | "pop-location" | "exit" => {
                hidden()
            }
            _ => return None,
        })
    }

    /// `New-Object TYPE(ARGUMENTS)`, `New-Object -TypeName TYPE -ArgumentList ARGUMENTS`.
    fn new_object(&mut self, c: &mut Cursor<'_>) -> Val {
        let option = |c: &Cursor<'_>, full: &str| match c.peek() {
            Some(Token::Word(w)) => {
                let bare = w.strip_prefix('-').map(str::to_lowercase);
                bare.is_some_and(|b| !b.is_empty() && full.starts_with(&b))
            }
            _ => false,
        };
        if option(c, "typename") {
            c.at += 1;
        }
        let kind = match self.primary(c).text() {
            Some(text) => text.to_lowercase(),
            None => return Val::Hidden("$(object)".to_owned()),
        };
        let kind = kind.strip_prefix("system.").unwrap_or(&kind).to_owned();
        if option(c, "argumentlist") {
            c.at += 1;
        }
        let args = if c.take("(") {
            self.listed(c.inside())
        } else if c.ended() || matches!(c.peek(), Some(Token::Word(w)) if w.starts_with('-')) {
            Vec::new()
        } else {
            let mut list = self.argument(c).items();
            while c.take(",") {
                list.push(self.argument(c));
            }
            list
        };
        self.made(&kind, args)
    }

    /// An object of a type.
    fn made(&mut self, kind: &str, args: Vec<Val>) -> Val {
        match kind {
            "net.sockets.tcpclient" | "net.sockets.udpclient" => {
                let host = args.first().map(shown).unwrap_or_default();
                self.socket(&host, args.get(1))
            }
            _ => Val::Object(kind.to_owned(), args),
        }
    }

    fn socket(&mut self, host: &str, port: Option<&Val>) -> Val {
        if host.is_empty() {
            return Val::Object("net.sockets.tcpclient".to_owned(), Vec::new());
        }
        let number = port.and_then(Val::text).and_then(|p| p.parse().ok());
        let url = format!("/dev/tcp/{host}/{}", number.map_or_else(String::new, |n: u16| n.to_string()));
        self.connect(host, number, Some(url.clone()));
        Val::Remote(url)
    }

    /// `[Type]::Member` and `[Type]::Member(…)`.
    pub(super) fn of_type(&mut self, kind: &str, member: &str, c: &mut Cursor<'_>) -> Val {
        let hidden = || Val::Hidden("$(…)".to_owned());
        let Some(args) = self.arguments_in_brackets(c) else {
            return Val::Type(format!("{kind}.{member}"));
        };
        let first = args.first().cloned().unwrap_or_else(hidden);
        let last = kind.rsplit('.').next().unwrap_or(kind);
        match (last, member) {
            ("convert", "frombase64string") => {
                if let Some(url) = first.origin() {
                    return Val::Remote(url);
                }
                first.text().and_then(|t| base64(&t)).map_or_else(hidden, Val::Bytes)
            }
            ("convert", "tochar") => super::cast("char", first),
            ("convert", "toint32" | "tobyte") => match (first.text(), args.get(1)) {
                (Some(text), Some(Val::Number(16))) => {
                    i64::from_str_radix(&text, 16).map_or_else(|_| hidden(), Val::Number)
                }
                _ => super::cast("int", first),
            },
            ("convert", "fromhexstring") => {
                let text = first.text().map(|t| t.to_lowercase());
                let bytes = text.and_then(|t| data_encoding::HEXLOWER.decode(t.as_bytes()).ok());
                bytes.map_or_else(hidden, Val::Bytes)
            }
            ("array", "reverse") => hidden(),
            ("string", "join") => {
                let list = Val::List(args.iter().skip(1).flat_map(Val::items).collect());
                super::operated("-join", &list, &[first])
            }
            ("string", "concat") => {
                let list = Val::List(args.iter().flat_map(Val::items).collect());
                super::operated("-join", &list, &[Val::Text(String::new())])
            }
            ("string", "format") => super::operated("-f", &first, args.get(1..).unwrap_or_default()),
            ("scriptblock", "create") => Val::Object("scriptblock".to_owned(), args),
            ("process", "start") => {
                let mut argv = vec![first.word()];
                if let Some(text) = args.get(1).and_then(Val::text) {
                    argv.extend(crate::launch::command_words(&text).iter().cloned());
                }
                self.start_words(argv, None)
            }
            ("file", "writealltext" | "writeallbytes" | "writealllines" | "appendalltext") => {
                let content = args.get(1).cloned().unwrap_or_else(hidden);
                self.write(&first, &content, member.starts_with('a'));
                hidden()
            }
            ("file", "readalltext" | "readallbytes" | "readalllines") => self.read_file(&first),
            ("assembly", "load" | "loadfrom" | "loadfile" | "unsafeloadfrom") => {
                if let Some(url) = first.origin() {
                    self.run_remote("[Reflection.Assembly]::Load", &url);
                }
                hidden()
            }
            ("webrequest", "create") => Val::Object(kind.to_owned(), args),
            (_, "new") => self.made(kind, args),
            _ => Val::Object(format!("{kind}.{member}"), args),
        }
    }

    /// `value.Member` and `value.Member(…)`.
    pub(super) fn member(&mut self, value: Val, name: &str, args: Option<Vec<Val>>) -> Val {
        let hidden = || Val::Hidden("$(…)".to_owned());
        let called = args.is_some();
        let args = args.unwrap_or_default();
        let first = args.first().cloned().unwrap_or_else(hidden);
        match (&value, name) {
            (Val::Type(encoding), "getstring") => decoded(encoding, &first),
            (Val::Type(encoding), "getbytes") => match first.text() {
                Some(text) if encoding.contains("unicode") => {
                    Val::Bytes(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
                }
                Some(text) => Val::Bytes(text.into_bytes()),
                None => hidden(),
            },
            (Val::Type(path), _) if !called => Val::Type(format!("{path}.{name}")),
            (Val::Object(kind, _), "getstring") if kind.contains("encoding") => decoded(kind, &first),
            (Val::Object(kind, _), "downloadstring" | "downloaddata" | "openread" | "getstringasync")
                if kind.contains("net.") =>
            {
                self.fetch(&first)
            }
            (Val::Object(kind, _), "getasync" | "getbytearrayasync" | "getstreamasync")
                if kind.contains("http") =>
            {
                self.fetch(&first)
            }
            (Val::Object(kind, _), "downloadfile" | "downloadfileasync") if kind.contains("webclient") => {
                let response = self.fetch(&first);
                if let Some(path) = args.get(1) {
                    self.write(path, &response, false);
                }
                hidden()
            }
            (Val::Object(kind, parts), "getresponse") if kind.contains("webrequest") => {
                let url = parts.first().cloned().unwrap_or_else(hidden);
                self.fetch(&url)
            }
            (Val::Object(kind, _), "connect" | "connectasync") if kind.contains("sockets") => {
                self.socket(&shown(&first), args.get(1))
            }
            (Val::Object(..), "readtoend" | "toarray") => value.read(),
            (Val::Object(kind, parts), "invoke" | "invokereturnasis") if kind == "scriptblock" => {
                let code = parts.first().cloned().unwrap_or_else(hidden);
                self.run_value("ScriptBlock.Invoke", &code)
            }
            (Val::Block(body), "invoke") => {
                let body: Rc<[_]> = body.clone();
                self.run(&body)
            }
            (Val::Hidden(path), "invokecommand" | "newscriptblock") => Val::Hidden(path.clone()),
            // `$ExecutionContext.InvokeCommand.InvokeScript(…)`
            (Val::Hidden(_), "invokescript") => self.run_value("InvokeScript", &first),
            (
                Val::Remote(_),
                "read" | "readasync" | "receive" | "length" | "count" | "connected" | "dataavailable"
                | "close" | "write" | "flush",
            ) => hidden(),
            (Val::Remote(_), _) => value,
            _ => of_text(&value, name, &args),
        }
    }
}

/// Members of texts and lists.
fn of_text(value: &Val, name: &str, args: &[Val]) -> Val {
    let hidden = || Val::Hidden("$(…)".to_owned());
    let word = |n: usize| args.get(n).and_then(Val::text);
    let number = |n: usize| match args.get(n) {
        Some(Val::Number(n)) => usize::try_from(*n).ok(),
        _ => None,
    };
    match (value, name) {
        (Val::Text(text), "replace") => match (word(0), word(1)) {
            (Some(from), Some(to)) if !from.is_empty() => Val::Text(text.replace(&from, &to)),
            _ => hidden(),
        },
        (Val::Text(text), "split") => match word(0) {
            Some(by) => {
                let parts = text.split(|c| by.contains(c));
                Val::List(parts.map(|p| Val::Text(p.to_owned())).collect())
            }
            None => hidden(),
        },
        (Val::Text(text), "substring") => match number(0) {
            Some(from) => {
                let rest = text.chars().skip(from);
                Val::Text(match number(1) {
                    Some(count) => rest.take(count).collect(),
                    None => rest.collect(),
                })
            }
            None => hidden(),
        },
        (Val::Text(text), "tolower" | "tolowerinvariant") => Val::Text(text.to_lowercase()),
        (Val::Text(text), "toupper" | "toupperinvariant") => Val::Text(text.to_uppercase()),
        (Val::Text(text), "trim") => Val::Text(text.trim().to_owned()),
        (Val::Text(text), "insert") => match (number(0), word(1)) {
            (Some(at), Some(more)) => {
                let head: String = text.chars().take(at).collect();
                let tail: String = text.chars().skip(at).collect();
                Val::Text(head + &more + &tail)
            }
            _ => hidden(),
        },
        (Val::Text(text), "tochararray") => {
            Val::List(text.chars().map(|c| Val::Text(c.to_string())).collect())
        }
        (Val::Text(text), "length") => {
            i64::try_from(text.chars().count()).map_or_else(|_| hidden(), Val::Number)
        }
        (Val::List(list), "length" | "count") => {
            i64::try_from(list.len()).map_or_else(|_| hidden(), Val::Number)
        }
        (_, "tostring") => value.text().map_or_else(hidden, Val::Text),
        _ => hidden(),
    }
}
