//! What PowerShell's expressions come to, as far as it is known on paper.

use std::io::Read;
use std::rc::Rc;

use data_encoding::BASE64;

use super::token::Spaced;
use crate::shell::{Know, Value};

#[derive(Debug, Clone)]
pub(super) enum Val {
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
    List(Vec<Val>),
    Block(Rc<[Spaced]>),
    /// A type, or a member of one, by its name in small letters.
    Type(String),
    /// An object of a type, and what it was made of.
    Object(String, Vec<Val>),
    /// What an address sends.
    Remote(String),
    /// Not known; as it is written.
    Hidden(String),
}

/// The longest text that a decoder makes, in bytes.
const LONGEST: u64 = 1 << 20;

impl Val {
    /// As a word of a command.
    pub fn word(&self) -> Value {
        match self {
            Self::Hidden(shown) => Value::unknown(shown.clone()),
            Self::Remote(url) => {
                let fetched = crate::shell::Fetched { url: url.clone(), by: vec![url.clone()] };
                Value { fetched: Some(Rc::new(fetched)), ..Value::unknown("$(response)") }
            }
            Self::Bytes(bytes) => Value::from_bytes(bytes, Know::Plain),
            other => other.text().map_or_else(|| Value::unknown("$(…)"), Value::plain),
        }
    }

    /// As text, where it is known.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::List(list) => list.iter().map(Self::text).collect::<Option<Vec<_>>>()?.join(" "),
            _ => return None,
        })
    }

    /// Its elements.
    pub fn items(&self) -> Vec<Val> {
        match self {
            Self::List(list) => list.clone(),
            other => vec![other.clone()],
        }
    }

    /// Where what it is made of came from, if that was a connection.
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::Remote(url) => Some(url.clone()),
            Self::List(list) | Self::Object(_, list) => list.iter().find_map(Self::origin),
            _ => None,
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::List(list) => list
                .iter()
                .map(|v| match v {
                    Self::Number(n) => u8::try_from(*n).ok(),
                    _ => None,
                })
                .collect(),
            Self::Object(kind, parts) => {
                let inner = parts.first()?.bytes()?;
                let mut out = Vec::new();
                let mut all = |reader: &mut dyn Read| reader.take(LONGEST).read_to_end(&mut out).is_ok();
                let read = match kind.rsplit('.').next()? {
                    "gzipstream" => all(&mut flate2::read::GzDecoder::new(&inner[..])),
                    "deflatestream" => all(&mut flate2::read::DeflateDecoder::new(&inner[..])),
                    "zlibstream" => all(&mut flate2::read::ZlibDecoder::new(&inner[..])),
                    _ => return Some(inner),
                };
                (read || !out.is_empty()).then_some(out)
            }
            _ => None,
        }
    }

    /// What a reader of it gives, as text.
    pub fn read(&self) -> Val {
        if let Some(url) = self.origin() {
            return Val::Remote(url);
        }
        match self.bytes() {
            Some(bytes) => Val::Text(String::from_utf8_lossy(&bytes).into_owned()),
            None => Val::Hidden("$(stream)".to_owned()),
        }
    }
}

/// `[Text.Encoding]::Unicode.GetString(…)`.
pub(super) fn decoded(encoding: &str, value: &Val) -> Val {
    if let Some(url) = value.origin() {
        return Val::Remote(url);
    }
    let Some(bytes) = value.bytes() else { return Val::Hidden("$(text)".to_owned()) };
    Val::Text(if encoding.contains("unicode") || encoding.contains("utf16") {
        utf16(&bytes)
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

pub(super) fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Base64 as .NET takes it: blanks are left out.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let clean: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(&clean).ok()
}

/// `-f`: `{0}`, `{1:x2}`.
pub(super) fn formatted(format: &str, values: &[Val]) -> Option<String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        if rest[at..].starts_with("{{") || rest[at..].starts_with("}}") {
            out.push_str(&rest[at..=at]);
            rest = &rest[at + 2..];
            continue;
        }
        let end = at + rest[at..].find('}')?;
        let number = rest.get(at + 1..end)?.split([':', ',']).next()?;
        out.push_str(&values.get(number.trim().parse::<usize>().ok()?)?.text()?);
        rest = &rest[end + 1..];
        if out.len() as u64 > LONGEST {
            return None;
        }
    }
    out.push_str(rest);
    Some(out)
}
