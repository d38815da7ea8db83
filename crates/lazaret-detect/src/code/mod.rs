//! Reads programs of other languages than the shell's as behaviours: abstract, nothing is
//! executed.
//!
//! A front end for each language translates to one small [`tree`]; [`interp`] walks over it with
//! values that are known on paper, and what a library's function would ask of the system is told
//! to the [`World`]. Texts that are decoded and run as code are decoded for real and read again.

mod decode;
mod effects;
mod eval;
mod interp;
mod javascript;
mod lua;
mod methods;
mod ops;
mod parse;
mod perl;
mod php;
mod python;
mod ruby;
mod tree;
mod value;

use std::rc::Rc;

pub(crate) use interp::Budget;

use eval::Args;
use interp::Interp;
use parse::Parsed;
use tree::{Class, Name, StmtKind};
use value::{ClassVal, Text, Val};

use crate::shell::{Held, Know, Ran, Site, Start, Status, Trouble, Value, World, program_name};

/// A language that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    JavaScript,
    Php,
    Ruby,
    Lua,
    Perl,
}

impl Language {
    /// The language of an interpreter, by the name of its program.
    pub fn of_interpreter(name: &str) -> Option<Self> {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        Some(match base {
            "python" | "pypy" => Self::Python,
            "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" => Self::JavaScript,
            "php" | "php-cli" | "php-cgi" => Self::Php,
            "ruby" | "jruby" => Self::Ruby,
            "lua" | "luajit" | "texlua" => Self::Lua,
            "perl" => Self::Perl,
            _ => return None,
        })
    }

    /// Whether an element of bytes is a number.
    fn numbers_bytes(self) -> bool {
        matches!(self, Self::Python | Self::JavaScript)
    }

    /// Whether its texts are bytes.
    fn texts_are_bytes(self) -> bool {
        matches!(self, Self::Php | Self::Lua | Self::Perl | Self::Ruby)
    }

    /// The option that gives the interpreter a text.
    fn inline_flag(self) -> &'static str {
        match self {
            Self::Python => "-c",
            Self::Php => "-r",
            _ => "-e",
        }
    }
}

/// What an interpreter is asked to run.
enum Asked {
    Text(Value),
    File(Value),
    Module(String),
    Input,
    Nothing,
}

/// Follows what an interpreter is started on. None where it runs nothing that is on paper.
pub(crate) fn follow(world: &mut dyn World, start: &Start, path: Option<&str>) -> Option<Ran> {
    let called = path.unwrap_or(start.argv.first()?.known()?);
    let by_name = start.argv.first().and_then(Value::known).unwrap_or_default();
    let language = Language::of_interpreter(program_name(by_name))
        .or_else(|| Language::of_interpreter(program_name(called)))?;
    let interpreter = called.to_owned();
    let (asked, args) = asked(language, &start.argv[1..]);
    let text = match asked {
        Asked::Text(text) => {
            let site = Site::fixed(start.because.clone());
            return run(world, language, start, &interpreter, None, &text, site, args);
        }
        Asked::Input => {
            let text = start.input.value.clone()?;
            let site = Site::fixed(start.because.clone());
            return run(world, language, start, &interpreter, None, &text, site, args);
        }
        Asked::File(file) => file,
        Asked::Module(name) => {
            let found = python::find_module(world, start, &name)?;
            Value::sure(found)
        }
        Asked::Nothing => return None,
    };
    let file = crate::launch::absolute_path(&start.cwd, text.known()?);
    follow_file(world, language, start, &interpreter, &file, args)
}

/// Follows a program in a file.
fn follow_file(
    world: &mut dyn World,
    language: Language,
    start: &Start,
    interpreter: &str,
    file: &str,
    args: Vec<Value>,
) -> Option<Ran> {
    let file = match world.read(file, &start.because, start.certainty) {
        // `python DIR` and `node DIR`.
        Held::Directory => match language {
            Language::Python => format!("{file}/__main__.py"),
            _ => format!("{file}/index.js"),
        },
        _ => file.to_owned(),
    };
    let Held::Text(text) = world.read(&file, &start.because, start.certainty) else { return None };
    let own = world.chain(&file, &[]).is_empty();
    let chain = world.chain(&file, &start.because);
    let site = if own { Site::fixed(chain) } else { Site::file(chain) };
    run(world, language, start, interpreter, Some(file), &text, site, args)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one process")]
fn run(
    world: &mut dyn World,
    language: Language,
    start: &Start,
    interpreter: &str,
    file: Option<String>,
    text: &Value,
    site: Site,
    args: Vec<Value>,
) -> Option<Ran> {
    if text.fetched.is_some() || !text.is_known() {
        return None;
    }
    let mut start = start.clone();
    if text.know == Know::Guess {
        start.certainty = lazaret_model::Certainty::May;
    }
    let mut interp = Interp::new(world, language, start, site);
    interp.interpreter = interpreter.to_owned();
    interp.file = file.clone();
    let zero = file.map_or_else(|| Val::text(language.inline_flag()), |f| Val::text(&f));
    let argv = std::iter::once(zero).chain(args.iter().map(Val::from_word)).collect();
    interp.set_arguments(Val::list(argv));
    interp.run_start_files();
    if let Some(parsed) = interp.parse(&text.text) {
        interp.run_program(&parsed.body);
    }
    let out = std::mem::replace(&mut interp.out, Text::new(""));
    interp.finish();
    Some(Ran { out: Val::Text(out).word(), status: Status::Fine })
}

/// What the words after an interpreter's name ask for, and the arguments of the program.
fn asked(language: Language, words: &[Value]) -> (Asked, Vec<Value>) {
    let rest = |from: usize| words.get(from..).unwrap_or_default().to_vec();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        let next = words.get(at + 1).cloned();
        if text == "-" {
            return (Asked::Input, rest(at + 1));
        }
        if !text.starts_with('-') {
            return (Asked::File(word.clone()), rest(at + 1));
        }
        match option(language, text) {
            Takes::Code => return (next.map_or(Asked::Nothing, Asked::Text), rest(at + 2)),
            Takes::CodeHere(n) => {
                let code = Value { text: text.get(n..).unwrap_or_default().to_owned(), ..word.clone() };
                return (Asked::Text(code), rest(at + 1));
            }
            Takes::Module => {
                let name = next.and_then(|n| n.known().map(str::to_owned));
                return (name.map_or(Asked::Nothing, Asked::Module), rest(at + 2));
            }
            Takes::File => return (next.map_or(Asked::Nothing, Asked::File), rest(at + 2)),
            Takes::Value => at += 2,
            Takes::Nothing => at += 1,
            Takes::End => return (Asked::Nothing, Vec::new()),
        }
    }
    (Asked::Input, Vec::new())
}

enum Takes {
    Code,
    /// The code begins in this word, at a byte.
    CodeHere(usize),
    Module,
    File,
    Value,
    Nothing,
    /// The interpreter tells something and ends.
    End,
}

fn option(language: Language, text: &str) -> Takes {
    let short = text.strip_prefix('-').filter(|t| !t.starts_with('-')).unwrap_or_default();
    match (language, text) {
        (Language::Python, "--version" | "-V" | "--help" | "-h" | "-VV") => Takes::End,
        (Language::Python, "-W" | "-X" | "--check-hash-based-pycs") => Takes::Value,
        (Language::Python, _) if !short.is_empty() => match short.find(['c', 'm', 'W', 'X']) {
            Some(n) if short[n..].starts_with('c') => {
                if n + 1 == short.len() {
                    Takes::Code
                } else {
                    Takes::CodeHere(n + 2)
                }
            }
            Some(n) if short[n..].starts_with('m') && n + 1 == short.len() => Takes::Module,
            _ => Takes::Nothing,
        },
        (Language::JavaScript, "-e" | "--eval" | "-p" | "--print" | "-pe" | "eval") => Takes::Code,
        (Language::JavaScript, "-v" | "--version" | "-h" | "--help") => Takes::End,
        // A module that is loaded in front of the program is the one that tells.
        (Language::JavaScript, "-r" | "--require" | "--import" | "--loader") => Takes::Value,
        (Language::JavaScript, _) => match text.split_once('=') {
            Some(("--eval" | "--print", code)) => Takes::CodeHere(text.len() - code.len()),
            _ => Takes::Nothing,
        },
        (Language::Php, "-r" | "--run" | "-B" | "-R" | "-E") => Takes::Code,
        (Language::Php, "-f" | "--file" | "-F") => Takes::File,
        (Language::Php, "-v" | "-i" | "-m" | "-l") => Takes::End,
        (Language::Php, "-d" | "-c" | "-z" | "-S" | "-t") => Takes::Value,
        (Language::Php, _) if short.starts_with('r') => Takes::CodeHere(2),
        (Language::Lua, "-e") => Takes::Code,
        (Language::Lua, "-l") => Takes::Value,
        (Language::Lua, "-v") => Takes::End,
        (Language::Lua, _) if short.starts_with('e') => Takes::CodeHere(2),
        (Language::Perl | Language::Ruby, "-v" | "--version" | "-h" | "--help" | "-c") => Takes::End,
        (Language::Ruby, "-I" | "-r" | "-C" | "-E" | "-K") => Takes::Value,
        (Language::Perl, "-I") => Takes::Value,
        (Language::Perl | Language::Ruby, _) if !short.is_empty() => {
            // `-MIO -e CODE`, `-ne CODE`, `-rsocket -e CODE`: a letter in a group, but not in a
            // module's name.
            let flags = short.split(['M', 'm', 'I', 'i', 'r', 'F', 'x']).next().unwrap_or_default();
            match flags.find(['e', 'E']) {
                Some(n) if n + 1 == short.len() => Takes::Code,
                Some(n) => Takes::CodeHere(n + 2),
                None => Takes::Nothing,
            }
        }
        _ => Takes::Nothing,
    }
}

impl Interp<'_> {
    /// Translates a text of the program's language.
    pub(super) fn parse(&mut self, text: &str) -> Option<Parsed> {
        let left = self.budget.source.get();
        if text.len() > left {
            self.complain(Trouble::Long);
            return None;
        }
        self.budget.source.set(left - text.len());
        let parsed = match self.language {
            Language::Python => python::parse(text),
            Language::JavaScript => javascript::parse(text),
            Language::Php => php::parse(text),
            Language::Ruby => ruby::parse(text),
            Language::Lua => lua::parse(text),
            // The grammar's scanner looks for the end of a here-document's last line for ever.
            Language::Perl if !text.ends_with('\n') => perl::parse(&format!("{text}\n")),
            Language::Perl => perl::parse(text),
        };
        match &parsed {
            None => self.complain(Trouble::Slow),
            Some(parsed) if parsed.deep => self.complain(Trouble::Deep),
            _ => {}
        }
        parsed
    }

    /// Runs a text as part of the program; the value of its only expression, where it is one.
    pub(super) fn run_text(&mut self, text: &str) -> Val {
        let Some(parsed) = self.parse(text) else { return Val::unknown("$(…)") };
        if let [only] = &*parsed.body
            && let StmtKind::Expr(expr) = &only.kind
        {
            return self.eval(expr);
        }
        self.run_block(&parsed.body);
        Val::None
    }

    fn set_arguments(&mut self, argv: Val) {
        let mut vars = self.root.vars.borrow_mut();
        match self.language {
            Language::Python => {
                vars.insert(Rc::from("__name__"), Val::text("__main__"));
                vars.insert(Rc::from("sys.argv"), argv);
                if let Some(file) = &self.file {
                    vars.insert(Rc::from("__file__"), Val::text(file));
                }
            }
            Language::JavaScript => {
                let exports = Val::dict(value::Dict::default());
                let mut module = value::Dict::default();
                module.set(Val::text("exports"), exports.clone());
                vars.insert(Rc::from("exports"), exports);
                vars.insert(Rc::from("module"), Val::dict(module));
                let all = argv.items().unwrap_or_default();
                let all = std::iter::once(Val::text(&self.interpreter)).chain(all).collect();
                vars.insert(Rc::from("process.argv"), Val::list(all));
                let file = self.file.clone().unwrap_or_default();
                let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                vars.insert(Rc::from("__dirname"), Val::text(folder));
                vars.insert(Rc::from("__filename"), Val::text(&file));
            }
            Language::Perl | Language::Ruby => {
                let rest = argv.items().unwrap_or_default().into_iter().skip(1).collect();
                let name = if self.language == Language::Perl { "@ARGV" } else { "ARGV" };
                vars.insert(Rc::from(name), Val::list(rest));
            }
            Language::Php => {
                vars.insert(Rc::from("$argv"), argv);
            }
            Language::Lua => {
                vars.insert(Rc::from("arg"), argv);
            }
        }
    }

    /// Files that the interpreter runs by itself before the program.
    fn run_start_files(&mut self) {
        if self.language == Language::Python {
            python::run_start_files(self);
        }
    }

    /// Adds to what the program puts out.
    pub(super) fn put_out(&mut self, value: &Val) {
        let out = std::mem::replace(&mut self.out, Text::new(""));
        if let Val::Text(out) = self.concat(Val::Text(out), value) {
            self.out = out;
        }
    }

    pub(super) fn language_name(&mut self, name: &str) -> Val {
        match self.language {
            Language::Python => python::name(self, name),
            Language::JavaScript => javascript::name(self, name),
            Language::Php => php::name(self, name),
            Language::Perl => perl::name(self, name),
            Language::Ruby if name.starts_with('@') => Val::None,
            Language::Ruby | Language::Lua => Val::library(name),
        }
    }

    pub(super) fn language_call(&mut self, name: &str, args: &Args) -> Option<Val> {
        match self.language {
            Language::Python => python::call(self, name, args),
            Language::JavaScript => javascript::call(self, name, args),
            Language::Php => php::call(self, name, args),
            Language::Ruby => ruby::call(self, name, args),
            Language::Lua => lua::call(self, name, args),
            Language::Perl => perl::call(self, name, args),
        }
    }

    pub(super) fn language_method(&mut self, object: &Val, name: &str, args: &Args) -> Option<Val> {
        match self.language {
            Language::Python => python::method(self, object, name, args),
            Language::JavaScript => javascript::method(self, object, name, args),
            Language::Php => php::method(self, object, name, args),
            Language::Ruby => ruby::method(self, object, name, args),
            Language::Lua => lua::method(self, object, name, args),
            Language::Perl => perl::method(self, object, name, args),
        }
    }

    /// A value in a library: a constant, most often.
    pub(super) fn library_value(&mut self, name: &str) -> Option<Val> {
        match self.language {
            Language::Python => python::constant(self, name),
            Language::JavaScript => javascript::constant(self, name),
            Language::Ruby => ruby::constant(self, name),
            _ => None,
        }
    }

    /// An element of something of a library: the environment, most often.
    pub(super) fn library_item(&mut self, path: &str, index: &Val) -> Val {
        if path.ends_with("environ")
            || path.ends_with(".env")
            || matches!(path, "ENV" | "%ENV" | "$_ENV" | "_ENV")
        {
            return self.variable(index, None);
        }
        match (path, index.known()) {
            ("globals" | "sys.modules" | "__builtins__.__dict__" | "builtins.__dict__", Some(name)) => {
                self.lookup(&name)
            }
            (_, Some(name)) => self.attr(&Val::library(path), &Rc::from(&*name)),
            _ => Val::unknown(&format!("${path}")),
        }
    }

    pub(super) fn set_library_item(&mut self, path: &str, index: &Val, value: &Val) {
        if (path.ends_with("environ") || path.ends_with(".env") || matches!(path, "ENV" | "%ENV"))
            && let Some(name) = index.known()
        {
            let name = name.into_owned();
            Rc::make_mut(&mut self.start.env).push((name, value.word()));
        }
    }

    /// An attribute of a value that is neither an object of the program nor a library's.
    pub(super) fn value_attr(&mut self, object: &Val, name: &Name) -> Val {
        use value::Thing;
        match (object, &**name) {
            (Val::Text(_) | Val::List(_), "length" | "Length" | "Count") => match object {
                Val::Text(text) if text.is_known() => Val::Int(text.len() as i64),
                Val::List(list) => Val::Int(list.try_borrow().map_or(0, |l| l.len() as i64)),
                _ => Val::unknown("$(length)"),
            },
            (Val::Thing(thing), _) => match (&**thing, &**name) {
                (Thing::Response(fetched), _) => match &**name {
                    "on" | "once" | "then" | "pipe" | "read" | "json" | "text" | "content"
                    | "iter_content" | "end" | "setEncoding" | "raise_for_status" | "data" | "body" => {
                        if self.language == Language::Python && matches!(&**name, "text" | "content" | "data")
                        {
                            return Val::fetched(fetched.clone());
                        }
                        Val::Method(Rc::new((object.clone(), name.clone())))
                    }
                    _ => Val::fetched(fetched.clone()),
                },
                (Thing::Process { .. }, "stdout" | "stderr" | "stdin") => object.clone(),
                (Thing::Process { .. }, "returncode" | "pid") => Val::Int(0),
                (Thing::File { path, .. }, "name") => path.clone(),
                _ => Val::Method(Rc::new((object.clone(), name.clone()))),
            },
            (Val::Unknown(hidden), _) => {
                let shown = hidden.shown.trim_matches(['$', '(', ')']);
                Val::hidden(&format!("$({shown}.{name})"), hidden.origin.clone())
            }
            (Val::Dict(_), _) if self.language == Language::JavaScript => Val::None,
            _ => Val::Method(Rc::new((object.clone(), name.clone()))),
        }
    }

    /// A module by its name.
    pub(super) fn import(&mut self, name: &str) -> Val {
        if let Some(module) = self.modules.get(name) {
            return module.clone();
        }
        match self.language {
            Language::Python => python::import(self, name),
            Language::JavaScript => javascript::import(self, name),
            _ => Val::library(name),
        }
    }

    /// Runs a file as a part of this program (`include`, `load`).
    pub(super) fn load_part(&mut self, file: &str) {
        let scope = self.scope.clone();
        let root = self.root.clone();
        self.load(file, file, scope, root);
    }

    /// Runs a file as a module, once; its names are the module's.
    pub(super) fn load_module(&mut self, name: &str, file: &str) -> Option<Val> {
        let members = self.new_scope(None);
        if self.language == Language::JavaScript {
            let outer = std::mem::replace(&mut self.root, members.clone());
            let own = self.file.replace(file.to_owned());
            self.set_arguments(Val::list(Vec::new()));
            self.root = outer;
            self.file = own;
        }
        members.vars.borrow_mut().insert(Rc::from("__name__"), Val::text(name));
        members.vars.borrow_mut().insert(Rc::from("__file__"), Val::text(file));
        self.load(name, file, members.clone(), members.clone()).then_some(())?;
        if self.language == Language::JavaScript {
            let Some(module @ Val::Dict(_)) = members.get("module") else { return Some(Val::None) };
            let exports = self.member(&module, &Val::text("exports"));
            self.modules.insert(name.to_owned(), exports.clone());
            return Some(exports);
        }
        self.modules.get(name).cloned()
    }

    /// Runs a file; false where it is not to be followed.
    fn load(&mut self, name: &str, file: &str, members: Rc<value::Scope>, root: Rc<value::Scope>) -> bool {
        let left = self.budget.imports.get();
        if left == 0 || effects::is_library_place(file) || self.modules.contains_key(file) || !self.enter() {
            return false;
        }
        self.budget.imports.set(left - 1);
        let because = self.because();
        let text = match self.world.read(file, &because, self.certainty) {
            Held::Text(text) if text.is_known() && text.text.len() <= LONGEST_IMPORT => text,
            _ => {
                self.leave();
                return false;
            }
        };
        let class = Class { name: Rc::from(format!("module:{name}")), bases: Vec::new(), body: Rc::from([]) };
        let module = Val::Class(Rc::new(ClassVal {
            class: Rc::new(class),
            members: members.clone(),
            bases: Vec::new(),
        }));
        self.modules.insert(name.to_owned(), module);
        let chain = self.world.chain(file, &because);
        let site = std::mem::replace(&mut self.site, Site::file(chain));
        let scope = std::mem::replace(&mut self.scope, members);
        let root = std::mem::replace(&mut self.root, root);
        let own = self.file.replace(file.to_owned());
        let line = self.line;
        if let Some(parsed) = self.parse(&text.text) {
            self.run_block(&parsed.body);
        }
        self.halt = false;
        self.site = site;
        self.scope = scope;
        self.root = root;
        self.file = own;
        self.line = line;
        self.leave();
        true
    }
}

/// The longest file that is followed because another one imports it.
const LONGEST_IMPORT: usize = 256 << 10;

/// A JSON document as a value.
fn json_value(text: &str) -> Option<Val> {
    fn value(json: serde_json::Value) -> Val {
        match json {
            serde_json::Value::Null => Val::None,
            serde_json::Value::Bool(b) => Val::Bool(b),
            serde_json::Value::Number(n) => {
                n.as_i64().map_or_else(|| Val::Float(n.as_f64().unwrap_or(0.0)), Val::Int)
            }
            serde_json::Value::String(text) => Val::text(&text),
            serde_json::Value::Array(list) => Val::list(list.into_iter().map(value).collect()),
            serde_json::Value::Object(map) => {
                let mut dict = value::Dict::default();
                for (name, inner) in map {
                    dict.set(Val::text(&name), value(inner));
                }
                Val::dict(dict)
            }
        }
    }
    serde_json::from_str(text).ok().map(value)
}
