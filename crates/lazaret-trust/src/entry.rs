//! One line of a feed: what is denied or allowed, and on whose word.

use std::fmt;
use std::net::IpAddr;

use lazaret_model::{Algorithm, Digest, Indicator, IndicatorKind, visible};
use time::OffsetDateTime;

use crate::SubjectError;

/// Characters of a value; no indicator of ours is longer.
const MAX_VALUE: usize = 2_048;

/// What an entry says of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// It speaks for nothing bad: another entry that denies the same is silent.
    Allow,
    /// What holds it is refused.
    Deny,
}

impl Action {
    /// As packs have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// Reads what [`Action::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Allow, Self::Deny].into_iter().find(|action| action.word() == word)
    }
}

/// What an entry is about. It holds a value in normal form: equal things are equal here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An image: the digest of its index, of a manifest, or of a configuration.
    Image(Digest),
    /// A file of any kind, by its SHA-256.
    File(Digest),
    /// Anything that images may have in common; of a layer its diff id, of a script or program its
    /// SHA-256, both as `sha256:…`.
    Indicator(Indicator),
}

/// What images that have nothing to do with each other hold. Whoever denies it denies everything.
const COMMON: [(&str, &str); 3] = [
    ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "the empty file"),
    ("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", "the empty layer"),
    ("sha256:01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b", "a file with one empty line"),
];

impl Subject {
    /// Reads a kind and a value, in the spellings that people use, into the normal form.
    ///
    /// # Errors
    /// An unknown kind, a value that no such thing has, or one that innocent images share.
    pub fn parse(kind: &str, value: &str) -> Result<Self, SubjectError> {
        let value = value.trim();
        let subject = match kind {
            "image" => Self::Image(value.parse()?),
            "file" => Self::File(sha256(value)?),
            kind => {
                let kind: IndicatorKind = kind.parse()?;
                Self::Indicator(Indicator::new(kind, normal(kind, value)?))
            }
        };
        let text = subject.value();
        match COMMON.iter().find(|(digest, _)| *digest == text) {
            Some((_, what)) => Err(SubjectError::Common { value: text, what }),
            None => Ok(subject),
        }
    }

    /// What was seen in an image, in normal form; None where nothing like it can be in a feed.
    pub fn seen(indicator: &Indicator) -> Option<Self> {
        Self::parse(indicator.kind.name(), &indicator.value).ok()
    }

    /// `image`, `file`, or the name of the indicator's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::File(_) => "file",
            Self::Indicator(indicator) => indicator.kind.name(),
        }
    }

    /// Its normal form.
    pub fn value(&self) -> String {
        match self {
            Self::Image(digest) | Self::File(digest) => digest.to_string(),
            Self::Indicator(indicator) => indicator.value.clone(),
        }
    }

    /// The SHA-256 of a file, where it is about one, of whatever kind.
    pub fn file_hash(&self) -> Option<String> {
        match self {
            Self::File(digest) => Some(digest.to_string()),
            Self::Indicator(Indicator {
                kind: IndicatorKind::ScriptHash | IndicatorKind::ElfHash,
                value,
            }) => Some(value.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), visible(&self.value()))
    }
}

fn sha256(value: &str) -> Result<Digest, SubjectError> {
    let full = if value.contains(':') { value.to_owned() } else { format!("sha256:{value}") };
    let digest: Digest = full.to_ascii_lowercase().parse()?;
    match digest.algorithm() {
        Algorithm::Sha256 => Ok(digest),
        Algorithm::Sha512 => Err(SubjectError::NotSha256(value.to_owned())),
    }
}

fn normal(kind: IndicatorKind, value: &str) -> Result<String, SubjectError> {
    if value.is_empty() {
        return Err(SubjectError::Value("the value is empty"));
    }
    if value.len() > MAX_VALUE {
        return Err(SubjectError::Value("the value has more than 2048 bytes"));
    }
    match kind {
        IndicatorKind::ScriptHash | IndicatorKind::ElfHash | IndicatorKind::Layer => {
            Ok(sha256(value)?.to_string())
        }
        IndicatorKind::Host => host(value),
        IndicatorKind::Url | IndicatorKind::Pool => address(kind, value),
        IndicatorKind::SshKey => match value.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
            // What follows is a comment, which says nothing of the key.
            [kind, key, ..] => Ok(format!("{kind} {key}")),
            _ => Err(SubjectError::Value("an SSH key is its type and its base64: ssh-ed25519 AAAA…")),
        },
        IndicatorKind::Wallet => match value.split_once(':') {
            Some((currency, address)) if !currency.is_empty() && !address.is_empty() => {
                Ok(format!("{}:{address}", currency.to_ascii_lowercase()))
            }
            _ => Err(SubjectError::Value("a wallet begins with its currency: xmr:4…")),
        },
        _ => Ok(value.to_owned()),
    }
}

/// The host of one machine. What names several, or a service of one, equals nothing that is seen, and
/// would deny nobody without a word.
fn host(value: &str) -> Result<String, SubjectError> {
    let host = value.trim_end_matches('.').to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() {
            return Err(SubjectError::Common { value: host, what: "every machine's own address" });
        }
        return Ok(address.to_string());
    }
    if host == "localhost" {
        return Err(SubjectError::Common { value: host, what: "every machine's own address" });
    }
    let unfit = |c: char| !c.is_ascii_graphic() || "/@:*?[]#,".contains(c);
    if host.is_empty() || host.contains(unfit) {
        return Err(SubjectError::Value(
            "a host is one name (in ASCII: xn--…) or address, without scheme, user, port, path or `*`",
        ));
    }
    Ok(host)
}

/// `scheme://host:port/path`, or of a pool `host:port` too: a host is the same in any letters.
fn address(kind: IndicatorKind, value: &str) -> Result<String, SubjectError> {
    let begin = match value.find("://") {
        Some(0) | None if kind == IndicatorKind::Url => {
            return Err(SubjectError::Value("a URL begins with its scheme: http://…"));
        }
        scheme => scheme.map_or(0, |at| at + 3),
    };
    let end = value[begin..].find(['/', '?', '#']).map_or(value.len(), |at| begin + at);
    Ok(format!("{}{}", value[..end].to_ascii_lowercase(), &value[end..]))
}

/// One line of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Deny or allow.
    pub action: Action,
    /// What.
    pub subject: Subject,
    /// The campaign that it belongs to, by the issuer's name for it.
    pub campaign: Option<String>,
    /// Why, for a person.
    pub reason: String,
    /// Who decided.
    pub author: String,
    /// Until when it counts; as long as the feed where None.
    pub expires: Option<OffsetDateTime>,
}

impl Entry {
    /// Whether it counts at `now`.
    pub fn counts(&self, now: OffsetDateTime) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_subject_has_one_form_however_it_is_spelt() {
        let hex = "ab".repeat(32);
        for (kind, spelt, normal) in [
            ("file", hex.to_ascii_uppercase(), format!("sha256:{hex}")),
            ("elf-hash", format!("sha256:{hex}"), format!("sha256:{hex}")),
            ("layer", hex.clone(), format!("sha256:{hex}")),
            ("image", format!("sha256:{hex}"), format!("sha256:{hex}")),
            ("host", "Pool.Example.INVALID.".to_owned(), "pool.example.invalid".to_owned()),
            ("host", "[2001:DB8:0:0::7]".to_owned(), "2001:db8::7".to_owned()),
            ("host", "::ffff:192.0.2.7".to_owned(), "192.0.2.7".to_owned()),
            (
                "url",
                "HTTP://C2.Example.INVALID:81/A?B".to_owned(),
                "http://c2.example.invalid:81/A?B".to_owned(),
            ),
            ("pool", "Pool.Example.INVALID:3333".to_owned(), "pool.example.invalid:3333".to_owned()),
            ("ssh-key", "ssh-ed25519  AAAAC3Nz me@there".to_owned(), "ssh-ed25519 AAAAC3Nz".to_owned()),
            ("wallet", " xmr:4abc ".to_owned(), "xmr:4abc".to_owned()),
            ("wallet", "XMR:4Abc".to_owned(), "xmr:4Abc".to_owned()),
        ] {
            let subject = Subject::parse(kind, &spelt).unwrap();
            assert_eq!((subject.kind(), subject.value()), (kind, normal.clone()), "{kind} {spelt}");
            assert_eq!(Subject::parse(kind, &normal).unwrap(), subject);
        }
    }

    #[test]
    fn what_everything_has_and_what_nothing_has_is_refused() {
        let empty = COMMON[0].0;
        for (kind, value, reason) in [
            ("file", empty, "the empty file"),
            ("script-hash", empty, "the empty file"),
            ("layer", COMMON[1].0, "the empty layer"),
            ("host", "localhost", "own address"),
            ("host", "127.0.0.53", "own address"),
            ("host", "[::1]", "own address"),
            ("host", "::ffff:127.0.0.1", "own address"),
            ("host", "http://x.invalid/", "without scheme"),
            ("host", "x.invalid:4444", "without scheme"),
            ("host", "*.x.invalid", "without scheme"),
            ("host", "x.invalid y.invalid", "without scheme"),
            ("host", "müll.invalid", "in ASCII"),
            ("host", "", "empty"),
            ("url", "x.invalid/setup.sh", "begins with its scheme"),
            ("ssh-key", "AAAAC3Nz", "its type and its base64"),
            ("wallet", "4abc", "currency"),
            ("image", "nginx:latest", "not supported"),
            ("file", "sha256:00", "hexadecimal"),
            ("wallets", "xmr:4", "no kind of indicator"),
            ("url", &"x".repeat(3_000), "2048"),
        ] {
            let said = Subject::parse(kind, value).unwrap_err().to_string();
            assert!(said.contains(reason), "{kind} {value}: {said}");
        }
    }
}
