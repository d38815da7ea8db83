//! Methods of texts, lists and the rest: the names that the languages give to the same work.

use std::rc::Rc;

use super::Language;
use super::decode;
use super::effects::Ties;
use super::eval::Args;
use super::interp::Interp;
use super::tree::Name;
use super::value::{Closure, Dict, Text, Thing, Val};

impl Interp<'_> {
    /// Calls whatever the callee is.
    pub fn call(&mut self, callee: &Val, args: Args) -> Val {
        if !self.spend(1) {
            return Val::unknown("$(…)");
        }
        match callee {
            Val::Function(closure) => self.call_closure(closure, args.list, args.named, true),
            Val::Class(_) => self.instantiate(callee, args),
            Val::Library(name) => self.call_library(&name.clone(), args),
            Val::Method(bound) => {
                let (object, name) = &**bound;
                self.call_method(object, name, args)
            }
            Val::Object(object) => match self.of_class(&object.class, "__call__", 0) {
                Some(Val::Function(f)) => {
                    let closure = Closure {
                        function: f.function.clone(),
                        scope: f.scope.clone(),
                        this: Some(callee.clone()),
                    };
                    self.call_closure(&Rc::new(closure), args.list, args.named, true)
                }
                _ => Val::unknown("$(…)"),
            },
            // A function by its name.
            Val::Text(_) if self.language == Language::Php => {
                let function = super::php::named(self, callee);
                if matches!(function, Val::Text(_)) {
                    return Val::hidden("$call", args.origin());
                }
                self.call(&function, args)
            }
            other => {
                self.run_callbacks(&args, other);
                Val::hidden("$(…)", other.origin())
            }
        }
    }

    /// Functions that are handed to something that is not known: they may be called.
    pub fn run_callbacks(&mut self, args: &Args, with: &Val) {
        for function in args.callbacks() {
            if let Val::Function(closure) = function {
                let given: Vec<Val> = closure
                    .function
                    .params
                    .iter()
                    .map(|_| Val::hidden("$(argument)", with.origin()))
                    .collect();
                self.may(|it| it.call_closure(&closure, given, Vec::new(), false));
                self.halt = false;
            }
        }
    }

    /// Calls functions that are sure to be called (`setTimeout`, a thread's target).
    pub fn call_back(&mut self, function: &Val, args: Vec<Val>) -> Val {
        match function {
            Val::Function(_) | Val::Method(_) | Val::Library(_) | Val::Class(_) => {
                let value = self.call(function, Args::of(args));
                self.halt = false;
                value
            }
            _ => Val::None,
        }
    }

    pub fn call_library(&mut self, name: &str, args: Args) -> Val {
        if let Some(value) = self.language_call(name, &args) {
            return value;
        }
        let origin = args.origin();
        self.run_callbacks(&args, &Val::None);
        let short: String = name.chars().take(40).collect();
        Val::hidden(&format!("$({short})"), origin)
    }

    pub fn call_method(&mut self, object: &Val, name: &Name, args: Args) -> Val {
        if let Some(value) = self.language_method(object, name, &args) {
            return value;
        }
        let value = match object {
            Val::Text(text) if text.is_known() => self.text_method(&text.clone(), name, &args),
            Val::List(_) => self.list_method(object, name, &args),
            Val::Dict(_) => self.dict_method(object, name, &args),
            Val::Function(closure) => self.function_method(closure, name, &args),
            Val::Thing(thing) => self.thing_method(object, &thing.clone(), name, &args),
            Val::Library(base) => return self.call_library(&format!("{base}.{name}"), args),
            Val::Int(_) | Val::Float(_) | Val::Bool(_) => self.number_method(object, name, &args),
            _ => None,
        };
        value.unwrap_or_else(|| {
            self.run_callbacks(&args, object);
            let origin = object.origin().join(&args.origin());
            Val::hidden(&format!("$({}.{name})", object.word().text.trim_matches(['$', '(', ')'])), origin)
        })
    }

    fn function_method(&mut self, closure: &Rc<Closure>, name: &str, args: &Args) -> Option<Val> {
        match name {
            "call" if self.language == Language::JavaScript => {
                let rest = args.list.get(1..).unwrap_or_default().to_vec();
                Some(self.call_closure(closure, rest, Vec::new(), true))
            }
            "apply" => {
                let rest = args.at(1).items().unwrap_or_default();
                Some(self.call_closure(closure, rest, Vec::new(), true))
            }
            "bind" => Some(Val::Function(closure.clone())),
            "call" | "()" | "yield" | "Invoke" => {
                Some(self.call_closure(closure, args.list.clone(), args.named.clone(), true))
            }
            _ => None,
        }
    }

    fn number_method(&mut self, value: &Val, name: &str, args: &Args) -> Option<Val> {
        let n = value.int()?;
        Some(match name {
            "chr" => self.character(n),
            "to_s" | "toString" | "ToString" => match args.at(0).int() {
                Some(16) => Val::text(&format!("{n:x}")),
                Some(2) => Val::text(&format!("{n:b}")),
                Some(36) => Val::text(&radix36(n)),
                _ => Val::text(&value.word().text),
            },
            "to_i" | "to_int" | "floor" | "round" => Val::Int(n),
            "to_bytes" => {
                let length = usize::try_from(args.at(0).int()?).ok()?.min(8);
                let big =
                    args.get(1, "byteorder").and_then(|v| v.known().map(|k| k == "big")).unwrap_or(true);
                let bytes = n.to_be_bytes();
                let mut bytes = bytes[8 - length..].to_vec();
                if !big {
                    bytes.reverse();
                }
                Val::bytes(bytes)
            }
            "times" => {
                for i in 0..n.clamp(0, 24) {
                    self.call_back(&args.at(0), vec![Val::Int(i)]);
                }
                value.clone()
            }
            _ => return None,
        })
    }

    /// A character by its number: a byte where the language's texts are bytes.
    pub fn character(&mut self, n: i64) -> Val {
        let mut text = match u32::try_from(n).ok().and_then(char::from_u32) {
            Some(c) if (c as u32) < 256 && self.language.texts_are_bytes() => {
                let data = vec![c as u32 as u8];
                if c.is_ascii() { Text { binary: false, ..Text::bytes(data) } } else { Text::bytes(data) }
            }
            Some(c) => Text::new(&c.to_string()),
            None => return Val::unknown("$(chr)"),
        };
        text.origin = text.origin.staged("chr");
        Val::Text(text)
    }

    /// Bytes from a list of numbers.
    pub fn bytes_of(&mut self, list: &Val, stage: &'static str) -> Val {
        let Some(items) = list.items() else { return Val::hidden("$(bytes)", list.origin()) };
        if !self.affords(items.len()) {
            return Val::unknown("$(bytes)");
        }
        let bytes: Option<Vec<u8>> = items.iter().map(|v| v.int().map(|n| n as u8)).collect();
        match bytes {
            Some(bytes) => {
                let mut text = Text::bytes(bytes);
                text.origin = list.origin();
                if text.data.len() > 8 {
                    text.origin = text.origin.staged(stage);
                }
                Val::Text(text)
            }
            None => Val::hidden("$(bytes)", list.origin()),
        }
    }

    /// Decodes with a decoder of a name.
    pub fn decoded(&mut self, kind: &'static str, value: &Val) -> Val {
        let origin = value.origin().staged(kind);
        let Some(text) = value.as_text().filter(|t| t.is_known()) else {
            return Val::hidden(&format!("$({kind})"), origin);
        };
        let most = self.world.longest();
        if !self.spend(text.data.len() as u64 >> 4) {
            return Val::hidden(&format!("$({kind})"), origin);
        }
        match decode::decode(kind, &text.data, most) {
            Some(data) if self.affords(data.len()) => {
                let binary = kind != "rot13" || text.binary;
                Val::Text(Text { data: Rc::new(data), binary, know: text.know, origin })
            }
            _ => Val::hidden(&format!("$({kind})"), origin),
        }
    }

    pub fn encoded(&mut self, kind: &str, value: &Val) -> Val {
        let Some(text) = value.as_text().filter(|t| t.is_known()) else {
            return Val::hidden(&format!("$({kind})"), value.origin());
        };
        match decode::encode(kind, &text.data) {
            Some(data) if self.affords(data.len()) => Val::Text(text.with(data)),
            _ => Val::unknown("$(…)"),
        }
    }

    fn text_method(&mut self, text: &Text, name: &str, args: &Args) -> Option<Val> {
        if !self.spend(1 + (text.data.len() as u64 >> 5)) {
            return None;
        }
        let value = || Val::Text(text.clone());
        let show = || text.show().into_owned();
        let like = |s: String| Val::Text(text.with(s.into_bytes()));
        let first = args.at(0);
        Some(match name {
            "join" => return Some(self.join(&value(), &first)),
            "decode" | "encode" if first.known().is_some_and(|k| k == "hex" || k == "hex_codec") => {
                if name == "decode" { self.decoded("hex", &value()) } else { self.encoded("hex", &value()) }
            }
            "decode" | "encode" if first.known().is_some_and(|k| k.starts_with("base64")) => {
                if name == "decode" {
                    self.decoded("base64", &value())
                } else {
                    self.encoded("base64", &value())
                }
            }
            "decode" if first.known().is_some_and(|k| k == "rot13" || k == "rot_13") => {
                self.decoded("rot13", &value())
            }
            "encode" if first.known().is_some_and(|k| k == "rot13" || k == "rot_13") => {
                self.decoded("rot13", &value())
            }
            "decode" if first.known().is_some_and(|k| k.starts_with("zlib")) => {
                self.decoded("zlib", &value())
            }
            "decode"
                if first.known().is_some_and(|k| k.starts_with("latin") || k.starts_with("iso-8859")) =>
            {
                let decoded: String = text.data.iter().map(|&b| char::from(b)).collect();
                Val::Text(Text { binary: false, ..text.with(decoded.into_bytes()) })
            }
            "decode"
                if first
                    .known()
                    .is_some_and(|k| k.to_ascii_lowercase().starts_with("utf-16") || k == "utf16") =>
            {
                Val::Text(Text { binary: false, ..text.with(utf16(&text.data).into_bytes()) })
            }
            "decode" if first.known().is_some_and(|k| k == "unicode_escape" || k == "string_escape") => {
                let data = super::parse::unescape(&text.show(), false);
                Val::Text(Text { binary: false, ..text.with(data) })
            }
            "decode" => Val::Text(Text { binary: false, ..text.with(text.show().into_owned().into_bytes()) }),
            "encode"
                if first.known().is_some_and(|k| k.starts_with("latin") || k.starts_with("iso-8859")) =>
            {
                let bytes: Vec<u8> = show().chars().map(|c| c as u32 as u8).collect();
                Val::Text(Text { binary: true, ..text.with(bytes) })
            }
            "encode" | "getBytes" => Val::Text(Text { binary: true, ..text.clone() }),
            "hex" => self.encoded("hex", &value()),
            "strip" | "trim" | "Trim" | "lstrip" | "rstrip" | "trimStart" | "trimEnd" | "chomp"
            | "squish" => {
                let chars: Vec<char> = first.known().map_or_else(Vec::new, |k| k.chars().collect());
                let is = |c: char| if chars.is_empty() { c.is_whitespace() } else { chars.contains(&c) };
                let shown = show();
                let trimmed = match name {
                    "lstrip" | "trimStart" => shown.trim_start_matches(is),
                    "rstrip" | "trimEnd" | "chomp" => shown.trim_end_matches(is),
                    _ => shown.trim_matches(is),
                };
                like(trimmed.to_owned())
            }
            "lower" | "toLowerCase" | "downcase" | "ToLower" => like(show().to_lowercase()),
            "upper" | "toUpperCase" | "upcase" | "ToUpper" => like(show().to_uppercase()),
            "swapcase" => like(
                show()
                    .chars()
                    .map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
                    .collect(),
            ),
            "title" | "capitalize" => like(show()),
            "replace" | "replaceAll" | "gsub" | "tr" | "Replace" | "translate" | "sub" => {
                return self.replace(text, name, args);
            }
            "split" | "Split" | "splitlines" | "lines" | "explode" => return self.split(text, name, args),
            "startswith" | "startsWith" | "start_with?" | "StartsWith" => {
                Val::Bool(text.data.starts_with(&first.as_text()?.data))
            }
            "endswith" | "endsWith" | "end_with?" => Val::Bool(text.data.ends_with(&first.as_text()?.data)),
            "includes" | "include?" | "contains" | "Contains" => {
                return self.contains(&value(), &first).map(Val::Bool);
            }
            "find" | "index" | "indexOf" | "rfind" | "lastIndexOf" => {
                let part = first.as_text()?;
                let at = if name.starts_with('r') || name.starts_with('l') {
                    memchr::memmem::rfind(&text.data, &part.data)
                } else {
                    memchr::memmem::find(&text.data, &part.data)
                };
                Val::Int(at.map_or(-1, |n| n as i64))
            }
            "format" => self.format_braces(text, args),
            "charCodeAt" | "codePointAt" | "ord" | "getbyte" => {
                let at = usize::try_from(first.int().unwrap_or(0)).ok()?;
                let code = if text.binary || text.data.is_ascii() {
                    text.data.get(at).map(|&b| i64::from(b))
                } else {
                    text.chars().get(at).map(|&c| i64::from(c as u32))
                };
                code.map_or(Val::None, Val::Int)
            }
            "charAt" | "at" => self.member(&value(), &first),
            "substring" | "slice" | "Substring" => {
                let to = match name {
                    "Substring" => args.at(1).int().and_then(|n| n.checked_add(first.int()?)),
                    _ => args.at(1).int(),
                };
                self.slice(&value(), [first.int(), to, None])
            }
            "substr" => {
                let from = first.int()?;
                let to = args.at(1).int().and_then(|n| n.checked_add(from));
                self.slice(&value(), [Some(from), to, None])
            }
            "reverse" => self.slice(&value(), [None, None, Some(-1)]),
            "concat" | "push" | "append" | "<<" => {
                let mut whole = value();
                for arg in &args.list {
                    whole = self.concat(whole, arg);
                }
                whole
            }
            "repeat" => self.add_to(super::tree::Op::Mul, value(), first),
            "toString" | "to_s" | "to_str" | "valueOf" | "String" | "ToString" | "dup" | "freeze" | "b"
            | "force_encoding" | "copy" | "toCharArray" | "to_sym" => match first.known().as_deref() {
                Some("base64") => self.encoded("base64", &value()),
                Some("hex") => self.encoded("hex", &value()),
                Some("latin1" | "binary") => {
                    self.text_method(text, "decode", &Args::of(vec![Val::text("latin1")]))?
                }
                _ if name == "toString" && text.binary => {
                    Val::Text(Text { binary: false, ..text.with(show().into_bytes()) })
                }
                _ => value(),
            },
            "to_i" | "toi" => Val::Int(match first.int() {
                Some(base @ 2..=36) => i64::from_str_radix(show().trim(), base as u32).unwrap_or(0),
                _ => show().trim().parse().unwrap_or(0),
            }),
            "chars" | "each_char" => Val::list(Val::Text(text.clone()).items()?),
            "bytes" | "unpack_bytes" | "each_byte" => {
                Val::list(text.data.iter().map(|&b| Val::Int(i64::from(b))).collect())
            }
            "length" | "size" | "Length" => Val::Int(text.len() as i64),
            "isdigit" => Val::Bool(!text.data.is_empty() && text.data.iter().all(u8::is_ascii_digit)),
            "unpack" | "unpack1" => {
                let template = first.known()?.into_owned();
                let kind = template.chars().next()?;
                let out = match kind {
                    'm' => self.decoded("base64", &value()),
                    'H' => self.encoded("hex", &value()),
                    'u' => self.decoded("uu", &value()),
                    'C' | 'c' => {
                        return Some(Val::list(text.data.iter().map(|&b| Val::Int(i64::from(b))).collect()));
                    }
                    _ => value(),
                };
                if name == "unpack" { Val::list(vec![out]) } else { out }
            }
            "hexdigest" | "crypt" => Val::unknown("$(digest)"),
            "map" | "forEach" | "each" if !args.callbacks().is_empty() => {
                let list = Val::list(Val::Text(text.clone()).items()?);
                return self.list_method(&list, name, args);
            }
            "zfill" | "padStart" | "rjust" => {
                let wide = usize::try_from(first.int()?).ok()?.min(4096);
                let fill = if name == "zfill" {
                    "0".to_owned()
                } else {
                    args.at(1).known().map_or(" ".into(), |k| k.into_owned())
                };
                let fill = fill.chars().next().unwrap_or(' ');
                let missing = wide.saturating_sub(text.len());
                like(std::iter::repeat_n(fill, missing).collect::<String>() + &show())
            }
            _ => return None,
        })
    }

    /// Texts joined with another between them.
    pub fn join(&mut self, between: &Val, list: &Val) -> Val {
        let Some(items) = list.items() else { return Val::hidden("$(join)", list.origin()) };
        let mut whole = match between {
            Val::Text(text) => Val::Text(text.with(Vec::new())),
            _ => Val::text(""),
        };
        for (n, item) in items.iter().enumerate() {
            if !self.spend(1) {
                break;
            }
            if n > 0 {
                whole = self.concat(whole, between);
            }
            whole = self.concat(whole, item);
            if !matches!(whole, Val::Text(_)) {
                return whole;
            }
        }
        whole
    }

    fn replace(&mut self, text: &Text, name: &str, args: &Args) -> Option<Val> {
        let shown = text.show().into_owned();
        if name == "tr" {
            let (from, to) = (args.at(0).known()?.into_owned(), args.at(1).known()?.into_owned());
            let (from, to) = (spans(&from), spans(&to));
            let out: String = shown
                .chars()
                .filter_map(|c| match from.iter().position(|f| *f == c) {
                    Some(at) => to.get(at).or(to.last()).copied(),
                    None => Some(c),
                })
                .collect();
            return Some(Val::Text(Text { origin: text.origin.staged("tr"), ..text.with(out.into_bytes()) }));
        }
        if name == "translate" {
            let Val::Dict(table) = args.at(0) else { return None };
            let table = table.try_borrow().ok()?;
            let mut out = String::new();
            for c in shown.chars() {
                match table.get(&Val::Int(i64::from(c as u32))) {
                    Some(value) => match value.int().filter(|_| !matches!(value, Val::Text(_))) {
                        Some(n) => out.extend(char::from_u32(n as u32)),
                        None => out.push_str(&value.known()?),
                    },
                    None => out.push(c),
                }
            }
            return Some(Val::Text(Text { origin: text.origin.staged("tr"), ..text.with(out.into_bytes()) }));
        }
        let pattern = args.at(0);
        let with = args.at(1);
        // A pattern between slashes, as the front ends write them.
        if let Val::Library(path) = &pattern
            && let Some(pattern) = path.strip_prefix("/")
        {
            let (pattern, flags) = pattern.rsplit_once('/')?;
            let regex = self.regex(pattern, flags.contains('i'))?;
            if !self.affords(shown.len() * 4) {
                return None;
            }
            if let Val::Function(closure) = &with {
                let mut whole = Val::Text(text.with(Vec::new()));
                let mut from = 0;
                let found: Vec<_> = regex
                    .captures_iter(&shown)
                    .take(1 << 14)
                    .filter_map(|c| {
                        let groups: Vec<Val> =
                            c.iter().map(|g| g.map_or(Val::None, |g| Val::text(g.as_str()))).collect();
                        c.get(0).map(|all| (all.range(), groups))
                    })
                    .collect();
                for (range, groups) in found {
                    whole = self.concat(whole, &Val::text(&shown[from..range.start]));
                    let made = self.call_closure(closure, groups, Vec::new(), true);
                    whole = self.concat(whole, &made);
                    from = range.end;
                }
                return Some(self.concat(whole, &Val::text(&shown[from..])));
            }
            let with = with.known()?.into_owned();
            let out = if flags.contains('g') || name == "gsub" || name == "replaceAll" || name == "Replace" {
                regex.replace_all(&shown, with.as_str())
            } else {
                regex.replace(&shown, with.as_str())
            };
            let most = self.world.longest();
            return (out.len() <= most).then(|| Val::Text(text.with(out.into_owned().into_bytes())));
        }
        let (from, to) = (pattern.as_text()?.clone(), with.as_string());
        if !from.is_known() || from.data.is_empty() {
            return None;
        }
        let once = self.language == Language::JavaScript && name == "replace" || name == "sub";
        let mut out = Vec::with_capacity(text.data.len());
        let mut at = 0;
        for found in
            memchr::memmem::find_iter(&text.data, &*from.data).take(if once { 1 } else { usize::MAX })
        {
            out.extend_from_slice(&text.data[at..found]);
            out.extend_from_slice(&to.data);
            at = found + from.data.len();
            if out.len() > self.world.longest() {
                return None;
            }
        }
        out.extend_from_slice(&text.data[at..]);
        if !self.affords(out.len()) {
            return None;
        }
        let know = text.know.min(to.know);
        Some(Val::Text(Text { know, origin: text.origin.join(&to.origin), ..text.with(out) }))
    }

    fn split(&mut self, text: &Text, name: &str, args: &Args) -> Option<Val> {
        let shown = text.show();
        let part = |s: &str| Val::Text(text.with(s.as_bytes().to_vec()));
        if !self.affords(shown.len() * 2) {
            return None;
        }
        let by = args.at(0);
        let list: Vec<Val> = match by.known() {
            _ if matches!(name, "splitlines" | "lines") => shown.lines().map(part).collect(),
            Some(by) if by.is_empty() => Val::Text(text.clone()).items()?,
            Some(by) => match args.at(1).int().filter(|n| *n > 0 && self.language == Language::Python) {
                Some(most) => {
                    shown.splitn(usize::try_from(most).ok()?.saturating_add(1), &*by).map(part).collect()
                }
                None => shown.split(&*by).map(part).collect(),
            },
            None if matches!(by, Val::None) && self.language == Language::JavaScript => vec![part(&shown)],
            None if matches!(by, Val::None) => shown.split_whitespace().map(part).collect(),
            None => match &by {
                Val::Library(path) if path.starts_with('/') => {
                    let pattern = path.trim_start_matches('/').rsplit_once('/')?.0;
                    if pattern.is_empty() {
                        Val::Text(text.clone()).items()?
                    } else {
                        let regex = self.regex(pattern, false)?;
                        regex.split(&shown).map(part).collect()
                    }
                }
                _ => return None,
            },
        };
        Some(Val::list(list))
    }

    fn list_method(&mut self, object: &Val, name: &str, args: &Args) -> Option<Val> {
        let Val::List(list) = object else { return None };
        let items = list.try_borrow().ok()?.clone();
        if !self.spend(1 + (items.len() as u64 >> 4)) {
            return None;
        }
        let first = args.at(0);
        Some(match name {
            "append" | "push" | "add" | "<<" | "Add" | "unshift" | "extend" | "pop" | "shift" | "insert"
            | "reverse" | "reverse!" | "sort" | "splice" | "clear" | "remove" | "popleft" | "appendleft" => {
                return self.change_list(list, name, args);
            }
            "join" => {
                let between = match first {
                    Val::None if self.language == Language::JavaScript => Val::text(","),
                    Val::None => Val::text(""),
                    other => other,
                };
                self.join(&between, object)
            }
            "map" | "collect" | "flatMap" | "flat_map" | "each" | "forEach" | "each_with_index"
            | "ForEach" => {
                let function = args.callbacks().into_iter().next().unwrap_or(first);
                let mut out = Vec::with_capacity(items.len());
                for (n, item) in items.into_iter().enumerate() {
                    if !self.spend(1) {
                        break;
                    }
                    out.push(self.call_back(&function, vec![item, Val::Int(n as i64)]));
                }
                if name.contains("ach") { object.clone() } else { Val::list(out) }
            }
            "filter" | "select" | "reject" => {
                let mut out = Vec::new();
                for item in items {
                    let kept = self.call_back(&first, vec![item.clone()]).truth();
                    if kept.is_none_or(|(t, _)| t != (name == "reject")) {
                        out.push(item);
                    }
                }
                Val::list(out)
            }
            "reduce" | "inject" | "reduceRight" => {
                let mut items = items.into_iter();
                let mut whole = match args.list.get(1) {
                    Some(value) => value.clone(),
                    None => items.next()?,
                };
                for item in items {
                    whole = self.call_back(&first, vec![whole, item]);
                }
                whole
            }
            "concat" => {
                let mut all = items;
                for arg in &args.list {
                    match arg.items() {
                        Some(more) if matches!(arg, Val::List(_)) => all.extend(more),
                        _ => all.push(arg.clone()),
                    }
                }
                Val::list(all)
            }
            "slice" => self.slice(object, [first.int(), args.at(1).int(), None]),
            "includes" | "include?" | "contains" => return self.contains(object, &first).map(Val::Bool),
            "indexOf" | "index" => {
                let key = first.key()?;
                let at = items.iter().position(|v| v.key().as_deref() == Some(&key));
                Val::Int(at.map_or(-1, |n| n as i64))
            }
            "pack" => {
                let template = first.known()?.into_owned();
                let texts: Vec<Vec<u8>> =
                    items.iter().filter_map(|v| v.as_text().map(|t| t.data.to_vec())).collect();
                let numbers: Vec<i64> = items.iter().filter_map(Val::int).collect();
                let origin = object.origin().staged("pack");
                let data = decode::pack(&template, &texts, &numbers)?;
                Val::Text(Text { origin, ..Text::bytes(data) })
            }
            "first" => items.first().cloned().unwrap_or(Val::None),
            "last" => items.last().cloned().unwrap_or(Val::None),
            "length" | "size" | "count" | "Count" | "Length" => Val::Int(items.len() as i64),
            "tolist" | "to_a" | "copy" | "dup" | "values" | "flatten" | "compact" | "toString" => {
                object.clone()
            }
            "tobytes" => self.bytes_of(object, "bytes"),
            "fill" => object.clone(),
            _ => return None,
        })
    }

    fn change_list(
        &mut self,
        list: &Rc<std::cell::RefCell<Vec<Val>>>,
        name: &str,
        args: &Args,
    ) -> Option<Val> {
        let mut items = list.try_borrow_mut().ok()?;
        if items.len() > 1 << 20 {
            return None;
        }
        let first = args.at(0);
        Some(match name {
            "pop" if first.int().is_some_and(|n| n >= 0) => {
                let at = usize::try_from(first.int()?).ok()?;
                if at < items.len() { items.remove(at) } else { Val::None }
            }
            "pop" => items.pop().unwrap_or(Val::None),
            "shift" | "popleft" => {
                if items.is_empty() {
                    Val::None
                } else {
                    items.remove(0)
                }
            }
            "reverse" | "reverse!" => {
                items.reverse();
                drop(items);
                Val::List(list.clone())
            }
            "sort" => Val::List(list.clone()),
            "clear" => {
                items.clear();
                Val::None
            }
            "remove" => {
                let key = first.key()?;
                if let Some(at) = items.iter().position(|v| v.key().as_deref() == Some(&key)) {
                    items.remove(at);
                }
                Val::None
            }
            "insert" => {
                let at = usize::try_from(first.int()?).ok()?.min(items.len());
                items.insert(at, args.at(1));
                Val::None
            }
            "unshift" | "appendleft" => {
                for (n, arg) in args.list.iter().enumerate() {
                    items.insert(n, arg.clone());
                }
                Val::Int(items.len() as i64)
            }
            "splice" => {
                let from = usize::try_from(first.int()?).ok()?.min(items.len());
                let count = args.at(1).int().map_or(items.len() - from, |n| usize::try_from(n).unwrap_or(0));
                let to = (from + count).min(items.len());
                let taken: Vec<Val> = items.splice(from..to, args.list.iter().skip(2).cloned()).collect();
                Val::list(taken)
            }
            "extend" => {
                if let Val::List(other) = &first
                    && Rc::ptr_eq(other, list)
                {
                    let own = items.clone();
                    items.extend(own);
                } else {
                    items.extend(first.items()?);
                }
                Val::None
            }
            "append" if first.as_text().is_none() && self.language == Language::Python => {
                items.push(first);
                Val::None
            }
            _ => {
                items.extend(args.list.iter().cloned());
                let length = items.len() as i64;
                drop(items);
                if name == "<<" || name == "append" { Val::List(list.clone()) } else { Val::Int(length) }
            }
        })
    }

    fn dict_method(&mut self, object: &Val, name: &str, args: &Args) -> Option<Val> {
        let Val::Dict(dict) = object else { return None };
        let first = args.at(0);
        Some(match name {
            "get" | "fetch" | "setdefault" | "pop" => {
                let found = dict.try_borrow().ok()?.get(&first).cloned();
                found.unwrap_or_else(|| args.at(1))
            }
            "keys" => Val::list(dict.try_borrow().ok()?.entries.iter().map(|(k, _)| k.clone()).collect()),
            "values" => Val::list(dict.try_borrow().ok()?.entries.iter().map(|(_, v)| v.clone()).collect()),
            "items" | "entries" | "to_a" | "each" | "each_pair" => {
                let pairs: Vec<(Val, Val)> = dict.try_borrow().ok()?.entries.clone();
                if let Some(function) = args.callbacks().first() {
                    for (key, value) in pairs {
                        self.call_back(function, vec![key, value]);
                    }
                    return Some(object.clone());
                }
                Val::list(pairs.into_iter().map(|(k, v)| Val::list(vec![k, v])).collect())
            }
            "update" | "merge" => {
                if let Val::Dict(other) = &first
                    && !Rc::ptr_eq(other, dict)
                {
                    for (key, value) in &other.try_borrow().ok()?.entries {
                        dict.try_borrow_mut().ok()?.set(key.clone(), value.clone());
                    }
                }
                object.clone()
            }
            "copy" => {
                let mut copy = Dict::default();
                for (key, value) in &dict.try_borrow().ok()?.entries {
                    copy.set(key.clone(), value.clone());
                }
                Val::dict(copy)
            }
            "set" => {
                dict.try_borrow_mut().ok()?.set(first, args.at(1));
                object.clone()
            }
            "has" | "hasOwnProperty" | "key?" | "has_key?" => {
                Val::Bool(dict.try_borrow().ok()?.get(&first).is_some())
            }
            _ => return None,
        })
    }

    fn thing_method(&mut self, object: &Val, thing: &Rc<Thing>, name: &str, args: &Args) -> Option<Val> {
        let first = args.at(0);
        match &**thing {
            Thing::Socket(peer) => Some(match name {
                "connect" | "connect_ex" => {
                    let (host, port) = match &first {
                        Val::List(_) => {
                            (self.member(&first, &Val::Int(0)), self.member(&first, &Val::Int(1)))
                        }
                        // node: `connect(port, host, then)`.
                        Val::Int(_) => {
                            (args.list.get(1).cloned().unwrap_or_else(|| Val::text("localhost")), first)
                        }
                        Val::Dict(_) => {
                            (self.member(&first, &Val::text("host")), self.member(&first, &Val::text("port")))
                        }
                        other if args.list.len() > 1 => (other.clone(), args.at(1)),
                        other => (other.clone(), Val::unknown("$port")),
                    };
                    let host = if matches!(host, Val::Function(_) | Val::None) {
                        Val::text("localhost")
                    } else {
                        host
                    };
                    self.connect_socket(object, &host, &port);
                    for function in args.callbacks() {
                        self.call_back(&function, Vec::new());
                    }
                    object.clone()
                }
                "bind" => {
                    let port = match &first {
                        Val::List(_) => self.member(&first, &Val::Int(1)),
                        other if args.list.len() > 1 => {
                            let _ = other;
                            args.at(1)
                        }
                        other => other.clone(),
                    };
                    self.listen_socket(object, &port);
                    Val::None
                }
                "accept" => Val::list(vec![object.clone(), Val::unknown("$(address)")]),
                "fileno" | "makefile" | "dup" | "detach" | "to_i" | "to_io" => object.clone(),
                "recv" | "recvfrom" | "read" | "readline" | "gets" | "recv_into" | "receive" | "recvmsg"
                | "sysread" | "readpartial" | "ReadLine" => {
                    let origin = object.origin();
                    Val::hidden("$(received)", origin)
                }
                "on" | "once" | "addListener" => {
                    let data = Val::hidden("$(received)", object.origin());
                    for function in args.callbacks() {
                        self.call_back(&function, vec![data.clone()]);
                    }
                    object.clone()
                }
                "pipe" => return Some(self.pipe(object, &first)),
                "setEncoding" | "setKeepAlive" | "setNoDelay" | "setTimeout" | "settimeout"
                | "setsockopt" | "setblocking" | "listen" | "send" | "sendall" | "sendto" | "write"
                | "end" | "close" | "shutdown" | "puts" | "print" | "flush" | "destroy" | "unref" => {
                    if name != "listen" {
                        self.run_callbacks(args, object);
                    }
                    let _ = peer;
                    object.clone()
                }
                _ => return None,
            }),
            Thing::File { path, append } => Some(match name {
                "write" | "writelines" | "puts" | "print" | "write_text" | "write_bytes" | "<<" | "end"
                | "printf" => {
                    let content = match &first {
                        Val::List(_) => self.join(&Val::text(""), &first),
                        other if name == "puts" => self.concat(other.clone(), &Val::text("\n")),
                        other => other.clone(),
                    };
                    let adds = *append.borrow();
                    self.write_file(path, &content, adds);
                    *append.borrow_mut() = true;
                    Val::None
                }
                "read" | "readlines" | "read_text" | "readline" | "readAll" | "gets" => {
                    let whole = self.read_file(path);
                    if name == "readlines"
                        && let Val::Text(text) = &whole
                        && text.is_known()
                    {
                        return self.split(text, "lines", &Args::default());
                    }
                    whole
                }
                "__enter__" => object.clone(),
                "close" | "flush" | "seek" | "fileno" | "truncate" => Val::None,
                _ => return None,
            }),
            Thing::Response(fetched) => Some(match name {
                "on" | "once" | "then" | "pipe" | "done" => {
                    if let Val::Thing(other) = &first
                        && let Thing::File { path, .. } = &**other
                    {
                        self.write_file(path, &Val::fetched(fetched.clone()), false);
                        return Some(first);
                    }
                    let mut last = object.clone();
                    for function in args.callbacks() {
                        last = self.call_back(&function, vec![Val::fetched(fetched.clone())]);
                    }
                    if matches!(last, Val::None) { object.clone() } else { last }
                }
                "setEncoding" | "raise_for_status" | "end" | "catch" | "finally" | "resume" => object.clone(),
                _ => Val::fetched(fetched.clone()),
            }),
            Thing::Process { argv, out } => Some(match name {
                "communicate" | "write" | "end" | "puts" => {
                    let given = args.get(0, "input").unwrap_or(Val::None);
                    if given.origin().fetched.is_some() {
                        self.run_words(argv.clone(), Ties { stdin: Some(given), ..Ties::default() });
                    } else if let Val::Text(text) = &given
                        && text.is_known()
                    {
                        self.run_words(argv.clone(), Ties { stdin: Some(given), ..Ties::default() });
                    }
                    if name == "communicate" {
                        Val::list(vec![out.clone(), Val::text("")])
                    } else {
                        object.clone()
                    }
                }
                "pipe" => return Some(self.pipe(object, &first)),
                "read" | "readlines" | "toString" | "readline" | "gets" => out.clone(),
                "wait" | "poll" | "kill" | "unref" | "ref" | "terminate" | "__enter__" | "close" => {
                    Val::Int(0)
                }
                "on" | "once" => {
                    for function in args.callbacks() {
                        self.may(|it| it.call_back(&function, vec![out.clone()]));
                    }
                    object.clone()
                }
                _ => return None,
            }),
            Thing::Client { base } => Some(match name {
                "request" | "get" | "post" | "put" | "connect" | "getresponse" | "send" | "endheaders"
                | "stream" => {
                    let path = match name {
                        "request" => args.at(1),
                        _ => first,
                    };
                    let path = path.known().map_or_else(String::new, |p| p.into_owned());
                    let url = if path.contains("://") { path } else { format!("{base}{path}") };
                    return Some(self.fetch(&Val::text(&url)));
                }
                "__enter__" | "__aenter__" => object.clone(),
                _ => return None,
            }),
        }
    }

    /// Ties what one thing puts out to what another takes in: a shell and a connection, most
    /// often.
    fn pipe(&mut self, from: &Val, to: &Val) -> Val {
        let of = |v: &Val| match v {
            Val::Thing(thing) => Some(thing.clone()),
            _ => None,
        };
        let (Some(a), Some(b)) = (of(from), of(to)) else { return to.clone() };
        match (&*a, &*b) {
            (Thing::Socket(_), Thing::Process { argv, .. }) => {
                self.run_words(argv.clone(), Ties { stdin: Some(from.clone()), ..Ties::default() });
            }
            (_, Thing::File { path, .. }) => {
                let content = from.clone();
                self.write_file(path, &content, false);
            }
            _ => {}
        }
        to.clone()
    }
}

/// `a-z` spelled out.
fn spans(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(&end)) if end >= c && (end as u32) - (c as u32) < 4096 => {
                out.extend(c..=end);
                at += 3;
            }
            _ => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .filter(|u| *u != 0xfeff)
        .collect();
    String::from_utf16_lossy(&units)
}

fn radix36(mut n: i64) -> String {
    if n == 0 {
        return "0".to_owned();
    }
    let negative = n < 0;
    let mut digits = Vec::new();
    while n != 0 {
        let digit = (n % 36).unsigned_abs() as u32;
        digits.extend(char::from_digit(digit, 36));
        n /= 36;
    }
    if negative {
        digits.push('-');
    }
    digits.iter().rev().collect()
}
