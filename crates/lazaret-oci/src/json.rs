//! JSON that can be read in one way only.
//!
//! The engines read manifests and configurations with Go's decoder, which takes keys in any case and,
//! where one is written twice, mixes both. What two readers would understand in two ways is refused:
//! one could be judged, and the other run.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Maps whose keys are anybody's. Go reads them into maps, which keep letters apart.
const FREE: &[&str] = &["annotations", "labels", "volumes", "exposedports", "env"];

/// How Go's decoder compares keys: without case, and with two characters beyond ASCII that fold to
/// letters within it.
pub(crate) fn folded(key: &str) -> String {
    key.chars()
        .map(|letter| match letter {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Reads a document in which no object has a key twice, in whatever case.
///
/// # Errors
/// No JSON, nested deeper than 128 levels, or such a key.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Once { free: false }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// A value; `free` where it is a map whose keys are anybody's.
struct Once {
    free: bool,
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Once { free: false })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let fold = folded(&key);
            let free = !self.free && FREE.contains(&fold.as_str());
            if !seen.insert(if self.free { key.clone() } else { fold }) {
                let key = lazaret_model::one_line(&key, 60);
                return Err(Error::custom(format!("the key `{key}` is written twice")));
            }
            map.insert(key, entries.next_value_seed(Once { free })?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_that_is_written_twice_is_refused_in_every_spelling_that_engines_take() {
        for text in [
            r#"{"layers":[],"layers":[]}"#,
            r#"{"layers":[],"Layers":[]}"#,
            r#"{"layers":[],"layer\u017f":[]}"#,
            r#"{"a":[{"b":{"key":1,"\u212aey":2}}]}"#,
            r#"{"annotations":{"a":"1","a":"2"}}"#,
            r#"{"Labels":{"a":{"b":1,"B":2}}}"#,
        ] {
            let said = read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains("written twice"), "{text}: {said}");
        }
    }

    #[test]
    fn what_can_be_read_in_one_way_is_read_as_it_stands() {
        for text in [
            r#"{"a":[1,-2,3.5,true,null,"x",{"b":{}}],"c":18446744073709551615}"#,
            r#"{"annotations":{"Maintainer":"a","maintainer":"b"},"config":{"Labels":{"A":"1","a":"2"}}}"#,
            r#"[{"a":1},{"a":1}]"#,
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
        for text in ["", "{", "{} {}", "{\"a\":}", &"[".repeat(4_000)] {
            assert!(read(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
