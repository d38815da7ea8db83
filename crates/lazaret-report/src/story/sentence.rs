//! Sentences whose quoted parts are known to be quoted.

/// Part of a sentence. Both kinds are raw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Our words.
    Words(String),
    /// Something quoted: a path, a command, an address.
    Code(String),
}

/// A sentence, without its full stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentence(pub Vec<Piece>);

/// A sentence that begins with these words.
pub fn say(words: impl Into<String>) -> Sentence {
    Sentence::default().say(words)
}

impl Sentence {
    /// Goes on with words.
    #[must_use]
    pub fn say(mut self, words: impl Into<String>) -> Self {
        let words = words.into();
        if let Some(Piece::Words(last)) = self.0.last_mut() {
            last.push_str(&words);
        } else if !words.is_empty() {
            self.0.push(Piece::Words(words));
        }
        self
    }

    /// Goes on with something quoted.
    #[must_use]
    pub fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Code(text.into()));
        self
    }

    /// Goes on with another sentence.
    #[must_use]
    pub fn then(mut self, other: Sentence) -> Self {
        for piece in other.0 {
            self = match piece {
                Piece::Words(words) => self.say(words),
                Piece::Code(code) => self.code(code),
            };
        }
        self
    }

    /// Goes on with quoted things, commas between them.
    #[must_use]
    pub fn list<T: Into<String>>(mut self, items: impl IntoIterator<Item = T>) -> Self {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self = self.say(", ");
            }
            self = self.code(item);
        }
        self
    }

    /// The sentence as plain text, raw.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(text) | Piece::Code(text) => out.push_str(text),
            }
        }
        out
    }
}
