//! Values of programs, as far as they are known on paper.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::tree::{Class, Function, Name};
use crate::shell::{Fetched, Know, Value};

/// What is known of where a text comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// Over the network.
    pub fetched: Option<Rc<Fetched>>,
    /// Decoders that it went through, the latest last.
    pub stages: Option<Rc<Vec<&'static str>>>,
}

impl Origin {
    /// What a value made of both has.
    pub fn join(&self, other: &Self) -> Self {
        let longer = match (&self.stages, &other.stages) {
            (Some(a), Some(b)) if b.len() > a.len() => Some(b.clone()),
            (Some(a), _) => Some(a.clone()),
            (None, b) => b.clone(),
        };
        Self { fetched: self.fetched.clone().or_else(|| other.fetched.clone()), stages: longer }
    }

    pub fn staged(&self, stage: &'static str) -> Self {
        let mut stages = self.stages.as_deref().cloned().unwrap_or_default();
        if stages.len() < 256 {
            stages.push(stage);
        }
        Self { fetched: self.fetched.clone(), stages: Some(Rc::new(stages)) }
    }
}

/// A text or bytes.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// UTF-8 unless `binary`.
    pub data: Rc<Vec<u8>>,
    /// Whether its elements are bytes, not characters.
    pub binary: bool,
    pub know: Know,
    pub origin: Origin,
}

impl Text {
    pub fn new(text: &str) -> Self {
        Self {
            data: Rc::new(text.as_bytes().to_vec()),
            binary: false,
            know: Know::Sure,
            origin: Origin::default(),
        }
    }

    pub fn bytes(data: Vec<u8>) -> Self {
        Self { data: Rc::new(data), binary: true, know: Know::Sure, origin: Origin::default() }
    }

    /// Another content of the same origin.
    pub fn with(&self, data: Vec<u8>) -> Self {
        Self { data: Rc::new(data), ..self.clone() }
    }

    pub fn show(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }

    pub fn is_known(&self) -> bool {
        self.know >= Know::Guess
    }

    /// Its characters, or its bytes as characters.
    pub fn chars(&self) -> Vec<char> {
        if self.binary {
            self.data.iter().map(|&b| char::from(b)).collect()
        } else {
            self.show().chars().collect()
        }
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        if self.binary || self.data.is_ascii() { self.data.len() } else { self.show().chars().count() }
    }

    /// Elements of it, as a text of its kind.
    pub fn pick(&self, at: impl Iterator<Item = usize>) -> Self {
        if self.binary || self.data.is_ascii() {
            return self.with(at.filter_map(|n| self.data.get(n).copied()).collect());
        }
        let chars = self.chars();
        let text: String = at.filter_map(|n| chars.get(n)).collect();
        self.with(text.into_bytes())
    }
}

/// A set of names and values that keeps its order.
#[derive(Debug, Default)]
pub(super) struct Dict {
    pub entries: Vec<(Val, Val)>,
    places: HashMap<Vec<u8>, usize>,
}

impl Dict {
    pub fn get(&self, key: &Val) -> Option<&Val> {
        let at = *self.places.get(&key.key()?)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    pub fn named(&self, name: &str) -> Option<&Val> {
        self.get(&Val::text(name))
    }

    pub fn set(&mut self, key: Val, value: Val) {
        let Some(id) = key.key() else { return };
        if let Some(&at) = self.places.get(&id) {
            self.entries[at].1 = value;
        } else {
            self.places.insert(id, self.entries.len());
            self.entries.push((key, value));
        }
    }
}

/// Variables of a function or a module.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub vars: RefCell<HashMap<Name, Val>>,
    pub globals: RefCell<Vec<Name>>,
    pub parent: Option<Rc<Scope>>,
}

impl Scope {
    pub fn get(&self, name: &str) -> Option<Val> {
        let mut scope = self;
        loop {
            if let Some(value) = scope.vars.borrow().get(name) {
                return Some(value.clone());
            }
            scope = scope.parent.as_deref()?;
        }
    }
}

#[derive(Debug)]
pub(super) struct Closure {
    pub function: Rc<Function>,
    pub scope: Rc<Scope>,
    /// The object that it belongs to.
    pub this: Option<Val>,
}

#[derive(Debug)]
pub(super) struct ClassVal {
    pub class: Rc<Class>,
    pub members: Rc<Scope>,
    pub bases: Vec<Val>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub class: Val,
    pub fields: RefCell<HashMap<Name, Val>>,
}

/// Something of the system that a program holds.
#[derive(Debug)]
pub(super) enum Thing {
    /// A connection; the address once there is one (`/dev/tcp/HOST/PORT`, `/dev/listen/PORT`).
    Socket(RefCell<Option<Name>>),
    /// A file that is open: its path and whether what is written is added to it.
    File { path: Val, append: RefCell<bool> },
    /// What came over the network.
    Response(Rc<Fetched>),
    /// A program that was started: its arguments, and whether they are one text for a shell.
    Process { argv: Vec<Val>, out: Val },
    /// A connection to a web server that is yet to ask.
    Client { base: String },
}

#[derive(Debug)]
pub(super) struct Hidden {
    /// As the program writes it.
    pub shown: Name,
    /// A variable that nothing in the image sets.
    pub unset: bool,
    pub origin: Origin,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Val {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Rc<RefCell<Vec<Val>>>),
    Dict(Rc<RefCell<Dict>>),
    Function(Rc<Closure>),
    Class(Rc<ClassVal>),
    Object(Rc<Object>),
    Thing(Rc<Thing>),
    /// Something of the language or of one of its libraries, by its full name.
    Library(Name),
    /// A method of a value that is not an object of the program.
    Method(Rc<(Val, Name)>),
    Unknown(Rc<Hidden>),
}

impl Val {
    pub fn text(text: &str) -> Self {
        Self::Text(Text::new(text))
    }

    pub fn bytes(data: Vec<u8>) -> Self {
        Self::Text(Text::bytes(data))
    }

    pub fn list(items: Vec<Val>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    pub fn dict(dict: Dict) -> Self {
        Self::Dict(Rc::new(RefCell::new(dict)))
    }

    pub fn thing(thing: Thing) -> Self {
        Self::Thing(Rc::new(thing))
    }

    pub fn library(name: &str) -> Self {
        Self::Library(Rc::from(name))
    }

    pub fn unknown(shown: &str) -> Self {
        Self::hidden(shown, Origin::default())
    }

    pub fn hidden(shown: &str, origin: Origin) -> Self {
        Self::Unknown(Rc::new(Hidden { shown: Rc::from(variable(shown)), unset: false, origin }))
    }

    pub fn unset(name: &str) -> Self {
        let shown = Rc::from(format!("${name}"));
        Self::Unknown(Rc::new(Hidden { shown, unset: true, origin: Origin::default() }))
    }

    /// What whoever visits a page sends.
    pub fn visitor(shown: &str) -> Self {
        let fetched = Fetched { url: "visitor://page".to_owned(), by: Vec::new() };
        Self::hidden(shown, Origin { fetched: Some(Rc::new(fetched)), stages: None })
    }

    /// Whether it is an address of the network as a text.
    pub fn is_address(&self) -> bool {
        let text = self.word().text;
        text.split_once("://").is_some_and(|(scheme, _)| matches!(scheme, "http" | "https" | "ftp"))
    }

    pub fn fetched(fetched: Rc<Fetched>) -> Self {
        Self::hidden("$response", Origin { fetched: Some(fetched), stages: None })
    }

    /// What stands for the value as a key.
    pub fn key(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(t) if t.is_known() => Some(t.data.to_vec()),
            Self::Int(n) => Some(n.to_string().into_bytes()),
            Self::Bool(b) => Some(b.to_string().into_bytes()),
            Self::Float(f) => Some(f.to_string().into_bytes()),
            Self::None => Some(b"None".to_vec()),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, where all of it is known.
    pub fn known(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Text(text) if text.is_known() => Some(text.show()),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Bool(b) => Some(i64::from(*b)),
            Self::Float(f) if f.abs() < 9e15 => Some(*f as i64),
            Self::Text(t) if t.is_known() => t.show().trim().parse().ok(),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Float(f) => Some(*f),
            Self::Text(t) if t.is_known() => t.show().trim().parse().ok(),
            other => other.int().map(|n| n as f64),
        }
    }

    pub fn origin(&self) -> Origin {
        match self {
            Self::Text(text) => text.origin.clone(),
            Self::Unknown(hidden) => hidden.origin.clone(),
            Self::Thing(thing) => match &**thing {
                Thing::Response(fetched) => Origin { fetched: Some(fetched.clone()), stages: None },
                Thing::Process { out, .. } => out.origin(),
                Thing::Socket(peer) => match &*peer.borrow() {
                    Some(address) => {
                        let fetched = Fetched { url: url_of_socket(address), by: Vec::new() };
                        Origin { fetched: Some(Rc::new(fetched)), stages: None }
                    }
                    None => Origin::default(),
                },
                _ => Origin::default(),
            },
            Self::Method(bound) => bound.0.origin(),
            Self::List(list) => list
                .try_borrow()
                .ok()
                .and_then(|l| l.first().filter(|v| !matches!(v, Self::List(_))).map(Self::origin))
                .unwrap_or_default(),
            _ => Origin::default(),
        }
    }

    /// Whether it counts as true, and whether that holds in every launch. None where that is not
    /// known.
    pub fn truth(&self) -> Option<(bool, bool)> {
        Some(match self {
            Self::None => (false, true),
            Self::Bool(b) => (*b, true),
            Self::Int(n) => (*n != 0, true),
            Self::Float(f) => (*f != 0.0, true),
            Self::Text(t) => match t.know {
                Know::Unknown | Know::Unset if t.data.is_empty() => return None,
                Know::Unknown | Know::Unset => return None,
                know => (!t.data.is_empty() && t.data.as_slice() != b"0", know == Know::Sure),
            },
            Self::List(list) => (!list.try_borrow().ok()?.is_empty(), true),
            Self::Dict(dict) => (!dict.try_borrow().ok()?.entries.is_empty(), true),
            Self::Unknown(hidden) if hidden.unset => (false, false),
            Self::Unknown(_) => return None,
            Self::Method(_) | Self::Thing(_) => return None,
            Self::Function(_) | Self::Class(_) | Self::Object(_) | Self::Library(_) => (true, true),
        })
    }

    /// The value as a word for a program, a path, an address.
    pub fn word(&self) -> Value {
        match self {
            Self::Text(text) => {
                Value { fetched: text.origin.fetched.clone(), ..Value::from_bytes(&text.data, text.know) }
            }
            Self::Int(n) => Value::sure(n.to_string()),
            Self::Float(f) => Value::sure(f.to_string()),
            Self::Bool(b) => Value::sure(b.to_string()),
            Self::None => Value::sure(""),
            Self::Unknown(hidden) => {
                let know = if hidden.unset { Know::Unset } else { Know::Unknown };
                let text = hidden.shown.to_string();
                Value { text, know, fetched: hidden.origin.fetched.clone() }
            }
            Self::Thing(thing) => match &**thing {
                Thing::File { path, .. } => path.word(),
                Thing::Process { out, .. } => out.word(),
                _ => Value { fetched: self.origin().fetched, ..Value::unknown("$value") },
            },
            other => Value { fetched: other.origin().fetched, ..Value::unknown("$value") },
        }
    }

    /// As a text, for joining with others.
    pub fn as_string(&self) -> Text {
        if let Self::Text(text) = self {
            return text.clone();
        }
        let word = self.word();
        Text { data: Rc::new(word.text.into_bytes()), binary: false, know: word.know, origin: self.origin() }
    }

    pub fn from_word(value: &Value) -> Self {
        if !value.is_known() && value.text.is_empty() {
            return Self::hidden("$(…)", Origin { fetched: value.fetched.clone(), stages: None });
        }
        let data = value.bytes();
        let binary = std::str::from_utf8(&data).is_err();
        let origin = Origin { fetched: value.fetched.clone(), stages: None };
        Self::Text(Text { data: Rc::new(data), binary, know: value.know, origin })
    }

    /// The elements, where they are known.
    pub fn items(&self) -> Option<Vec<Val>> {
        match self {
            Self::List(list) => list.try_borrow().ok().map(|l| l.clone()),
            Self::Text(text) if text.is_known() => Some(if text.binary {
                text.data.iter().map(|&b| Self::Int(i64::from(b))).collect()
            } else {
                let mut buffer = [0; 4];
                text.chars().into_iter().map(|c| Self::text(c.encode_utf8(&mut buffer))).collect()
            }),
            Self::Dict(dict) => {
                dict.try_borrow().ok().map(|d| d.entries.iter().map(|(k, _)| k.clone()).collect())
            }
            Self::None => Some(Vec::new()),
            _ => None,
        }
    }
}

/// How something unknown is shown: as a variable, so that a shell that is handed it takes it for
/// one. A file's content stays as a shell would write it.
fn variable(shown: &str) -> String {
    if shown.starts_with("$(<") {
        return shown.to_owned();
    }
    let mut name = String::from("$");
    for c in shown.chars().take(60) {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c);
        } else if !name.ends_with(['_', '$']) {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.len() < 2 { "$value".to_owned() } else { name.to_owned() }
}

/// `tcp://HOST:PORT` of `/dev/tcp/HOST/PORT`.
pub(super) fn url_of_socket(address: &str) -> String {
    let rest = address.strip_prefix("/dev/").unwrap_or(address);
    let (kind, rest) = rest.split_once('/').unwrap_or(("tcp", rest));
    format!("{kind}://{}", rest.replacen('/', ":", 1))
}
