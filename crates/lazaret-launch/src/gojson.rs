//! JSON as the engines' own reader (Go, `encoding/json`) takes it into structures.
//!
//! That reader fits keys to fields whatever their case is, and of two keys for one field takes the
//! later, or mixes both. A text that says one thing twice is refused here: no reader then takes
//! another one than it was judged by.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::LaunchError;

/// A value with every key as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

static NULL: Json = Json::Null;

/// One spelling for every key that the engines' reader takes for the same. Beside ASCII these are
/// the long s and the Kelvin sign.
fn folded(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

impl Json {
    /// Reads a text that is one value and nothing more.
    pub(crate) fn read(text: &[u8]) -> Result<Self, LaunchError> {
        if text.len() > crate::TEXT {
            return Err(LaunchError::Large("the request".to_owned()));
        }
        serde_json::from_slice(text).map_err(|error| LaunchError::Request(error.to_string()))
    }

    /// The value of a field; null where it is not there.
    pub(crate) fn field(&self, name: &str) -> Result<&Json, LaunchError> {
        let pairs = match self {
            Self::Null => return Ok(&NULL),
            Self::Map(pairs) => pairs,
            _ => return Err(LaunchError::Request(format!("`{name}` is asked of what is no object"))),
        };
        let wanted = folded(name);
        let mut found = pairs.iter().filter(|(key, _)| folded(key) == wanted);
        let first = found.next().map_or(&NULL, |(_, value)| value);
        match found.next() {
            None => Ok(first),
            Some(_) => Err(LaunchError::Request(format!("it says `{name}` twice"))),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, LaunchError> {
        match self.field(name)? {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(LaunchError::Request(format!("`{name}` is no text"))),
        }
    }

    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, LaunchError> {
        match self.field(name)? {
            Self::Null => Ok(None),
            Self::Bool(truth) => Ok(Some(*truth)),
            _ => Err(LaunchError::Request(format!("`{name}` is neither true nor false"))),
        }
    }

    /// The items of a list; none where it is not there.
    pub(crate) fn items(&self, name: &str) -> Result<&[Json], LaunchError> {
        match self.field(name)? {
            Self::Null => Ok(&[]),
            Self::List(items) => Ok(items),
            _ => Err(LaunchError::Request(format!("`{name}` is no list"))),
        }
    }

    /// A list of texts; a text by itself stands for a list of one, as where commands are written.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, LaunchError> {
        let wrong = || LaunchError::Request(format!("`{name}` is no list of texts"));
        match self.field(name)? {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(vec![text.clone()])),
            Self::List(items) => {
                let text = |item: &Json| match item {
                    Self::Text(text) => Ok(text.clone()),
                    Self::Null => Ok(String::new()),
                    _ => Err(wrong()),
                };
                items.iter().map(text).collect::<Result<_, _>>().map(Some)
            }
            _ => Err(wrong()),
        }
    }

    /// The pairs of an object whose keys are names and no fields.
    pub(crate) fn pairs(&self, name: &str) -> Result<&[(String, Json)], LaunchError> {
        match self.field(name)? {
            Self::Null => Ok(&[]),
            Self::Map(pairs) => Ok(pairs),
            _ => Err(LaunchError::Request(format!("`{name}` is no object"))),
        }
    }

    /// A text or a number as text.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Map(pairs))
    }
}
