//! Whose word counts: the keys that an operator pinned, each for feeds of one name.
//!
//! They lie in a file that only the operator writes (`feeds.toml`), never in a pack:
//!
//! ```toml
//! [[pin]]
//! feed = "acme-campaigns"
//! key = "lazaret-feed-key:MCowBQYDK2Vw…"
//! note = "read out by J. Doe on the phone"
//! allow = true   # its entries that allow count too; without it, those that deny alone
//! ```

use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{KeyId, PinError, PublicKey, check_name};

/// Bytes of a file with pins.
const MAX_FILE: u64 = 1 << 20;

/// A key that may speak under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The name of the feed.
    pub feed: String,
    /// The key.
    pub key: PublicKey,
    /// What the operator noted, such as how the key was had.
    pub note: Option<String>,
    /// Whether it may allow as well as deny. Who may deny can keep an image out by mistake or malice;
    /// who may allow can let one in.
    pub allow: bool,
}

/// All pinned keys, by feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins(Vec<Pin>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    pin: Vec<WrittenPin>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPin {
    feed: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow: bool,
}

impl Pins {
    /// Reads the text of a file. The error says where and what.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|e| e.to_string().trim().replace('\n', " "))?;
        let mut pins = Self::default();
        for (number, pin) in written.pin.into_iter().enumerate() {
            let wrong = |e: String| format!("pin {}: {e}", number + 1);
            check_name(&pin.feed).map_err(wrong)?;
            let key = PublicKey::parse(&pin.key).map_err(|e| wrong(e.to_string()))?;
            pins.put(Pin { feed: pin.feed, key, note: pin.note, allow: pin.allow });
        }
        Ok(pins)
    }

    /// Reads a file. Where there is none, nothing is pinned.
    ///
    /// # Errors
    /// It cannot be read or understood, or others could have written it.
    pub fn read(path: &Path) -> Result<Self, PinError> {
        let place = || path.display().to_string();
        let failed = |error| PinError::File { path: place(), doing: "read", error };
        let file = match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(failed)?,
        };
        if file.metadata().map_err(failed)?.mode() & 0o022 != 0 {
            return Err(PinError::Open(place()));
        }
        let mut text = String::new();
        // One byte more shows what is too long: the beginning of it alone would unpin the rest.
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            let reason = format!("it has more than {} KiB", MAX_FILE >> 10);
            return Err(PinError::Form { path: place(), reason });
        }
        Self::parse(&text).map_err(|reason| PinError::Form { path: place(), reason })
    }

    /// Writes them to a file, which is there whole or as it was before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PinError> {
        let failed = |error| PinError::File { path: path.display().to_string(), doing: "written", error };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let beside = path.with_extension(format!("toml.{}", std::process::id()));
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
            file.write_all(self.to_toml().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        })();
        if written.is_err() {
            // What is left of it is no file of pins.
            let _ = std::fs::remove_file(&beside);
        }
        written.map_err(failed)
    }

    fn to_toml(&self) -> String {
        let pin = self.0.iter().map(|pin| WrittenPin {
            feed: pin.feed.clone(),
            key: pin.key.to_line(),
            note: pin.note.clone(),
            allow: pin.allow,
        });
        let head = "# Keys whose feeds of indicators count here. `lazaret feed pin` writes this file.\n\n";
        // Texts are always TOML.
        format!("{head}{}", toml::to_string(&Written { pin: pin.collect() }).unwrap_or_default())
    }

    /// Pins a key for a feed.
    ///
    /// # Errors
    /// A name that is none, or another key is pinned for it and `others` does not say what becomes of
    /// that one.
    pub fn pin(&mut self, pin: Pin, others: Others) -> Result<(), PinError> {
        check_name(&pin.feed).map_err(PinError::Name)?;
        let other = self.0.iter().find(|known| known.feed == pin.feed && known.key != pin.key);
        match (other, others) {
            (Some(other), Others::Refuse) => {
                let known = other.key.id().short().to_owned();
                return Err(PinError::Pinned { name: pin.feed, known });
            }
            (_, Others::Replace) => self.0.retain(|known| known.feed != pin.feed),
            _ => {}
        }
        self.put(pin);
        Ok(())
    }

    /// Takes keys of a feed away: the one that is named, or all. Says how many.
    pub fn unpin(&mut self, feed: &str, key: Option<&PublicKey>) -> usize {
        let before = self.0.len();
        self.0.retain(|pin| pin.feed != feed || key.is_some_and(|key| pin.key != *key));
        before - self.0.len()
    }

    fn put(&mut self, pin: Pin) {
        self.0.retain(|known| known.feed != pin.feed || known.key != pin.key);
        self.0.push(pin);
        self.0.sort_by(|a, b| (&a.feed, &a.key).cmp(&(&b.feed, &b.key)));
    }

    /// All, by feed and key.
    pub fn all(&self) -> &[Pin] {
        &self.0
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pinned keys, each once.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.0
            .iter()
            .enumerate()
            .filter(|(at, pin)| self.0[..*at].iter().all(|before| before.key != pin.key))
            .map(|(_, pin)| &pin.key)
    }

    /// Whether a key is pinned for a feed, and may allow.
    pub fn may_allow(&self, key: &KeyId, feed: &str) -> bool {
        self.0.iter().any(|pin| pin.feed == feed && pin.allow && pin.key.id() == *key)
    }

    /// Whether a key is pinned for a feed.
    pub fn vouches(&self, key: &PublicKey, feed: &str) -> bool {
        self.0.iter().any(|pin| pin.feed == feed && pin.key == *key)
    }
}

/// What becomes of other keys that are pinned for the same feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They are in the way.
    Refuse,
    /// They no longer count.
    Replace,
    /// They count as well: while an issuer changes its key.
    Keep,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::SigningKey;

    fn pin(feed: &str) -> Pin {
        Pin { feed: feed.to_owned(), key: SigningKey::generate().unwrap().public(), note: None, allow: false }
    }

    #[test]
    fn pins_are_written_and_read_alike() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lazaret/feeds.toml");
        assert!(Pins::read(&path).unwrap().is_empty());
        let mut pins = Pins::default();
        let noted = Pin { allow: true, note: Some("by phone, \"J. Doe\"\n".to_owned()), ..pin("acme") };
        pins.pin(noted.clone(), Others::Refuse).unwrap();
        pins.pin(Pin { feed: "other".to_owned(), ..noted.clone() }, Others::Refuse).unwrap();
        pins.write(&path).unwrap();
        assert_eq!(Pins::read(&path).unwrap(), pins);
        assert_eq!(pins.keys().count(), 1);
        assert!(pins.vouches(&noted.key, "other") && !pins.vouches(&noted.key, "third"));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_second_key_needs_a_word_about_the_first() {
        let (first, second) = (pin("acme"), pin("acme"));
        let mut pins = Pins::default();
        pins.pin(first.clone(), Others::Refuse).unwrap();
        pins.pin(first.clone(), Others::Refuse).unwrap();
        let said = pins.pin(second.clone(), Others::Refuse).unwrap_err().to_string();
        assert!(said.contains(first.key.id().short()) && said.contains("--replace"), "{said}");
        pins.pin(second.clone(), Others::Keep).unwrap();
        assert_eq!(pins.all().len(), 2);
        pins.pin(second.clone(), Others::Replace).unwrap();
        assert_eq!(pins.all(), std::slice::from_ref(&second));
        assert_eq!(pins.unpin("acme", Some(&first.key)), 0);
        assert_eq!(pins.unpin("acme", None), 1);
        assert!(pins.is_empty());
    }

    #[test]
    fn a_file_that_others_write_or_that_is_not_understood_pins_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("feeds.toml");
        for (text, reason) in [
            ("[[pin]]\nfeed = \"acme\"\nkey = \"x\"\n", "pin 1"),
            ("[[pin]]\nfeed = \"Acme!\"\nkey = \"x\"\n", "no name of a feed"),
            ("[[pins]]\n", "unknown field"),
            ("[[pin]]\nfeed = \"a\"\nkey = \"x\"\ntrust = \"all\"\n", "unknown field"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = Pins::read(&path).unwrap_err().to_string();
            assert!(said.contains(reason) && !said.contains('\n'), "{said}");
        }
        let long = format!("[[pin]]\nfeed = \"a\"\nkey = \"{}\"\n", pin("a").key.to_line());
        std::fs::write(&path, long + &"#".repeat(1 << 20)).unwrap();
        assert!(Pins::read(&path).unwrap_err().to_string().contains("more than 1024 KiB"));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(Pins::read(&path).unwrap_err().to_string().contains("written by others"));
    }
}
