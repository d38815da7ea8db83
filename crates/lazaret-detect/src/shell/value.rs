//! What is known of a text.

use std::rc::Rc;

/// How well a value is known; the weaker one wins where two are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Know {
    /// Not known on paper; the text shows it as written, `$name` or `$(…)`.
    Unknown,
    /// A variable that nothing in the image sets; the text is `$name`. Empty in a plain launch.
    Unset,
    /// One of several possible values: another arm of a condition sets another one.
    Guess,
    /// So in a plain launch; run arguments may change it.
    Plain,
    /// So whatever the launch.
    Sure,
}

/// Bytes that came over the network earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The address.
    pub url: String,
    /// Programs they came through, nearest first.
    pub by: Vec<String>,
}

/// First of 256 private characters that stand for bytes which are no UTF-8.
const RAW_BYTES: u32 = 0x10_fe00;

/// A text, how well it is known, and whether it came over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub text: String,
    pub know: Know,
    pub fetched: Option<Rc<Fetched>>,
}

impl Value {
    pub fn sure(text: impl Into<String>) -> Self {
        Self { text: text.into(), know: Know::Sure, fetched: None }
    }

    /// Bytes as text. Bytes that are no UTF-8 become private characters that
    /// [`Value::bytes`] turns back, so that a decoded archive survives the way to `gunzip`.
    pub fn from_bytes(bytes: &[u8], know: Know) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().filter_map(|&b| char::from_u32(RAW_BYTES + u32::from(b))));
        }
        Self { text, know, fetched: None }
    }

    /// The bytes that the text stands for.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len());
        let mut buffer = [0; 4];
        for c in self.text.chars() {
            match u32::from(c).checked_sub(RAW_BYTES) {
                Some(byte @ 0..=255) => out.push(byte as u8),
                _ => out.extend(c.encode_utf8(&mut buffer).as_bytes()),
            }
        }
        out
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), know: Know::Plain, fetched: None }
    }

    /// Not known; `shown` is how it is written.
    pub fn unknown(shown: impl Into<String>) -> Self {
        Self { text: shown.into(), know: Know::Unknown, fetched: None }
    }

    /// Puts braces around a name at the end, so that what is added is no part of it.
    fn close_name(&mut self) {
        let bare = self.text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        if bare < self.text.len() && self.text[..bare].ends_with('$') {
            self.text.insert(bare, '{');
            self.text.push('}');
        }
    }

    pub fn unset(name: &str) -> Self {
        Self { text: format!("${name}"), know: Know::Unset, fetched: None }
    }

    pub fn empty() -> Self {
        Self::sure("")
    }

    /// The text, where it is known at all.
    pub fn known(&self) -> Option<&str> {
        (self.know >= Know::Guess).then_some(self.text.as_str())
    }

    /// The text in a plain launch, where what nothing sets is empty.
    pub fn in_plain_launch(&self) -> Option<&str> {
        match self.know {
            Know::Unknown => None,
            Know::Unset => Some(""),
            _ => Some(&self.text),
        }
    }

    pub fn is_known(&self) -> bool {
        self.know >= Know::Guess
    }

    pub fn at_most(mut self, know: Know) -> Self {
        self.know = self.know.min(know);
        self
    }

    /// Adds a part. Where the whole would be longer than `most` bytes it stays as it is, and the
    /// answer is false.
    pub fn push(&mut self, part: &Value, most: usize) -> bool {
        if self.text.len() + part.text.len() > most {
            self.know = Know::Unknown;
            return false;
        }
        if self.fetched.is_none() {
            self.fetched.clone_from(&part.fetched);
        }
        if self.text.is_empty() && self.know == Know::Sure {
            self.text.push_str(&part.text);
            self.know = part.know;
            return true;
        }
        if part.text.is_empty() {
            self.know = self.know.min(part.know);
            return true;
        }
        if !self.is_known() && part.text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            self.close_name();
        }
        self.text.push_str(&part.text);
        self.know = match self.know.min(part.know) {
            Know::Unset => Know::Unknown,
            know => know,
        };
        true
    }
}
