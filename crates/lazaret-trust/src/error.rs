use lazaret_model::{DigestError, UnknownIndicatorKind, one_line};

/// Why a pack is refused. Each is one line: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// More bytes than a pack may have.
    #[error("it has {0} bytes, and a pack has at most {1}: ask its issuer for a smaller one")]
    TooLarge(u64, u64),
    /// No envelope.
    #[error("it is no signed pack ({0}): expected the JSON envelope that `lazaret feed export` writes")]
    NoEnvelope(String),
    /// Nobody signed it.
    #[error("it is not signed: ask its issuer for the signed pack")]
    Unsigned,
    /// No pinned key signed it.
    #[error(
        "no pinned key signed these bytes (they name the key {0}): it was damaged or changed on its way, \
         or the key of its issuer is not pinned yet, see `lazaret feed pin`"
    )]
    NotSignedByPinned(String),
    /// Nobody is trusted yet.
    #[error(
        "no key is pinned, so nobody's word counts: get the key of its issuer by a way that you trust, and \
         `lazaret feed pin NAME KEY`"
    )]
    NothingPinned,
    /// A pinned key signed it, and it is pinned for other feeds.
    #[error(
        "the key {key} signed it, and is not pinned for the feed `{name}`: if its issuer may speak under \
         that name, `lazaret feed pin {name} KEY`"
    )]
    OtherName {
        /// What the pack calls itself.
        name: String,
        /// Who signed it.
        key: String,
    },
    /// Signed by a pinned key, and of another kind.
    #[error("its payload is `{0}`, and this program reads `{1}`: it is no feed, or made by a newer Lazaret")]
    OtherType(String, &'static str),
    /// Signed by a pinned key, and not of the form.
    #[error("it is signed, and what is signed is no feed ({0}): tell its issuer")]
    Form(String),
    /// A reader could understand it in two ways.
    #[error(
        "it is signed, and not written in the one form that a feed has (docs/FEEDS.md), so that two \
         readers might understand it in two ways: tell its issuer"
    )]
    NotCanonical,
    /// It no longer counts.
    #[error("it expired at {expires}: ask its issuer for a newer one")]
    Expired {
        /// When.
        expires: String,
    },
    /// Made in the future.
    #[error("it was made at {created}, which is still to come: set this machine's clock, or ask its issuer")]
    NotYet {
        /// When.
        created: String,
    },
    /// Rollback.
    #[error(
        "it is version {found} of `{name}`, and version {known} was seen before: an older pack is refused, \
         get the newest"
    )]
    Older {
        /// The feed.
        name: String,
        /// Of the pack.
        found: u64,
        /// The highest that was seen.
        known: u64,
    },
    /// Two packs of one version.
    #[error(
        "it is version {version} of `{name}`, which was seen before with other content: one version has one \
         content, tell its issuer"
    )]
    Changed {
        /// The feed.
        name: String,
        /// Of both.
        version: u64,
    },
}

/// Why something cannot be an entry's subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// An unknown kind.
    #[error("{0}, image, file")]
    Kind(#[from] UnknownIndicatorKind),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Only SHA-256 of files is known.
    #[error("`{}` is no SHA-256 of a file", one_line(.0, 80))]
    NotSha256(String),
    /// Empty, too long, or with characters that no such thing has.
    #[error("{0}")]
    Value(&'static str),
    /// Something that innocent images have.
    #[error("`{value}` is {what}, and would speak of images that have nothing to do with each other")]
    Common {
        /// Its normal form.
        value: String,
        /// What it is.
        what: &'static str,
    },
}

/// Why a key cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file.
    #[error("the key file {path} cannot be {doing}: {error}")]
    File {
        /// Which.
        path: String,
        /// `read`, `written`.
        doing: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// There already.
    #[error("{0} is there already, and a key is not overwritten: name another file")]
    Exists(String),
    /// Others may read it.
    #[error("the key file {0} can be read by others: `chmod 600` it, or make a new key where they did")]
    Open(String),
    /// No such key.
    #[error("that is no {0}")]
    Form(&'static str),
    /// The machine has no randomness.
    #[error("no key can be made: the system gives no randomness")]
    Randomness,
    /// It cannot sign.
    #[error("the key does not sign")]
    Sign,
}

/// Why pins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A file.
    #[error("the pinned keys in {path} cannot be {doing}: {error}")]
    File {
        /// Which.
        path: String,
        /// `read`, `written`.
        doing: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// It is not of the form.
    #[error("the pinned keys in {path} are not understood: {reason}")]
    Form {
        /// Which.
        path: String,
        /// Where and what.
        reason: String,
    },
    /// Anybody could pin.
    #[error("{0} can be written by others, who could pin keys of their own: `chmod go-w` it")]
    Open(String),
    /// A name that no feed has.
    #[error("{0}")]
    Name(String),
    /// Another key is pinned for the name.
    #[error(
        "for `{name}` the key {known} is pinned: say --replace where it took that one's place, --also where \
         both count"
    )]
    Pinned {
        /// The feed.
        name: String,
        /// The key that is.
        known: String,
    },
    /// Nothing to take away.
    #[error("no such key is pinned for `{0}`: `lazaret feed list` shows all")]
    NotPinned(String),
}
