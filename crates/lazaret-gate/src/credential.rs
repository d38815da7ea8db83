//! Who asks, by what they present.
//!
//! Clients ask `/v2/` first and do as it says. The gate says "fetch a token from me" (distribution,
//! `docs/spec/auth/token.md`), because that is what every client can do, with credentials and
//! without. The token stands for what the client presented, for a short while: it is that, sealed
//! with a key that only the gate has and its replicas with it, so that any of them can read it.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use lazaret_model::Algorithm;
use lazaret_oci::digest_of;
use lazaret_registry::Login;
use time::OffsetDateTime;

use crate::{Refusal, Upstreams};

/// How long a token counts.
pub(crate) const TOKEN_LASTS: Duration = Duration::from_secs(900);
/// Bytes of the key that seals tokens.
pub const TOKEN_KEY: usize = 32;
/// What else may be presented as a token is not taken for one of these.
const TOKENS_ARE: &[u8] = b"lazaret gate token 1";

/// What a client presents. It decides what the client may see: the gate has no rights of its own.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Anonymous,
    /// A user name and a password or access token, for one registry.
    Basic {
        /// The registry that they are for. No other is ever given them.
        registry: String,
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
}

impl Credential {
    /// Reads a `Basic` header. A user name may begin with the registry that it is for
    /// (`ghcr.io/ana`); others are for the registry under whose name the gate was asked, or the
    /// default one.
    fn basic(text: &str, origin: Option<&str>, upstreams: &Upstreams) -> Option<Self> {
        let decoded = BASE64.decode(text.trim().as_bytes()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (username, password) = decoded.split_once(':')?;
        let named = username
            .split_once('/')
            .filter(|(registry, _)| upstreams.names().iter().any(|known| known == registry));
        let (registry, username) = match (origin, named) {
            (Some(origin), _) => (origin.to_owned(), username),
            (None, Some((registry, username))) => (registry.to_owned(), username),
            (None, None) => (upstreams.names().first()?.clone(), username),
        };
        Some(Self::Basic { registry, username: username.to_owned(), password: password.to_owned() })
    }

    /// What to present to a registry in the client's stead.
    pub fn login(&self, asked: &str) -> Option<Login> {
        match self {
            Self::Basic { registry, username, password } if registry == asked => Some(Login {
                registry: registry.clone(),
                username: username.clone(),
                password: password.clone(),
            }),
            _ => None,
        }
    }

    /// A name for these credentials that gives nothing of them away.
    pub fn key(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Basic { registry, username, password } => {
                // No part of them can hold the byte that parts them: headers hold none.
                let parts = [registry.as_str(), username, password].join("\0");
                digest_of(Algorithm::Sha256, parts.as_bytes()).hex()[..32].to_owned()
            }
        }
    }

    /// The user, for the audit log.
    pub fn user(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Basic { username, .. } => username,
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Credential").field(&self.user()).finish()
    }
}

/// Seals and reads tokens.
pub(crate) struct Tokens {
    key: LessSafeKey,
}

impl Tokens {
    /// Those of this key.
    ///
    /// # Errors
    /// A key that is none, in one sentence.
    pub(crate) fn new(key: &[u8]) -> Result<Self, String> {
        let key = UnboundKey::new(&AES_256_GCM, key)
            .map_err(|_| format!("the key that seals tokens has {} bytes, and not {TOKEN_KEY}", key.len()))?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    fn seal(&self, credential: &Credential) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let ends = OffsetDateTime::now_utc().unix_timestamp() + i64::try_from(TOKEN_LASTS.as_secs()).ok()?;
        let said = match credential {
            Credential::Anonymous => Vec::new(),
            Credential::Basic { registry, username, password } => vec![registry, username, password],
        };
        let mut sealed = serde_json::to_vec(&(ends, said)).ok()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(unique, Aad::from(TOKENS_ARE), &mut sealed).ok()?;
        Some(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    fn open(&self, token: &str) -> Option<Credential> {
        let mut bytes = BASE64URL_NOPAD.decode(token.trim().as_bytes()).ok()?;
        let sealed = bytes.get_mut(NONCE_LEN..).is_some().then(|| bytes.split_off(NONCE_LEN));
        let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
        let mut sealed = sealed?;
        let plain = self.key.open_in_place(nonce, Aad::from(TOKENS_ARE), &mut sealed).ok()?;
        let (ends, said): (i64, Vec<String>) = serde_json::from_slice(plain).ok()?;
        if OffsetDateTime::now_utc().unix_timestamp() >= ends {
            return None;
        }
        match <[String; 3]>::try_from(said) {
            Ok([registry, username, password]) => Some(Credential::Basic { registry, username, password }),
            Err(said) => said.is_empty().then_some(Credential::Anonymous),
        }
    }

    /// A token for what a client presents; None where that cannot be read.
    pub(crate) fn issue(
        &self,
        headers: &HeaderMap,
        origin: Option<&str>,
        upstreams: &Upstreams,
    ) -> Option<String> {
        let credential = match headers.get(header::AUTHORIZATION) {
            None => Credential::Anonymous,
            Some(value) => {
                let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
                if !scheme.eq_ignore_ascii_case("basic") {
                    return None;
                }
                Credential::basic(rest, origin, upstreams)?
            }
        };
        self.seal(&credential)
    }

    /// Who sends a request. Without a header nobody; with one that is not known it is refused, so
    /// that the client fetches another one.
    pub(crate) fn read(
        &self,
        headers: &HeaderMap,
        origin: Option<&str>,
        upstreams: &Upstreams,
    ) -> Result<Credential, Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Credential::Anonymous) };
        let read = || -> Option<Credential> {
            let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
            if scheme.eq_ignore_ascii_case("basic") {
                return Credential::basic(rest, origin, upstreams);
            }
            if !scheme.eq_ignore_ascii_case("bearer") {
                return None;
            }
            self.open(rest)
        };
        read().ok_or_else(|| {
            Refusal::login("these credentials are not known here or have run out: log in again")
        })
    }
}

/// The challenge that leads clients to the gate's own tokens, at the host that they asked. `secure`
/// says that they asked over TLS.
pub(crate) fn challenge(host: &str, secure: bool) -> Option<HeaderValue> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    if host.is_empty() || !host.bytes().all(sound) {
        return None;
    }
    let scheme = if secure { "https" } else { "http" };
    HeaderValue::from_str(&format!("Bearer realm=\"{scheme}://{host}/token\",service=\"lazaret\"")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn credentials_are_for_one_registry_and_never_shown() {
        let upstreams = Upstreams::new(vec!["docker.io".into(), "ghcr.io".into()]);
        let tokens = Tokens::new(&[7; TOKEN_KEY]).unwrap();
        let replica = Tokens::new(&[7; TOKEN_KEY]).unwrap();
        let stranger = Tokens::new(&[8; TOKEN_KEY]).unwrap();
        assert_eq!(tokens.read(&HeaderMap::new(), None, &upstreams).unwrap(), Credential::Anonymous);
        for (plain, origin, goes_to, user) in [
            ("ana:b:c", None, "docker.io", "ana"),
            ("ghcr.io/ana:b:c", None, "ghcr.io", "ana"),
            ("quay.io/ana:b:c", None, "docker.io", "quay.io/ana"),
            ("ana:b:c", Some("ghcr.io"), "ghcr.io", "ana"),
        ] {
            let headers = with(&format!("Basic {}", BASE64.encode(plain.as_bytes())));
            let token = tokens.issue(&headers, origin, &upstreams).unwrap();
            assert!(stranger.open(&token).is_none() && tokens.open(&token[..token.len() - 2]).is_none());
            let read = replica.read(&with(&format!("Bearer {token}")), origin, &upstreams).unwrap();
            assert_eq!(read.user(), user);
            let login = read.login(goes_to).unwrap();
            assert_eq!((login.username.as_str(), login.password.as_str()), (user, "b:c"));
            assert!(read.login("example.test").is_none());
            assert!(!format!("{read:?} {} {token}", read.key()).contains("b:c"));
        }
        for bad in ["Bearer x", "Basic %%%", "Basic YQ==", "Basic", "x"] {
            assert_eq!(tokens.read(&with(bad), None, &upstreams).unwrap_err().status, 401, "{bad}");
            assert!(tokens.issue(&with(bad), None, &upstreams).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_challenge_names_the_host_that_was_asked_and_nothing_else_that_a_client_sends() {
        let said = challenge("127.0.0.1:5050", false).unwrap();
        assert_eq!(said, "Bearer realm=\"http://127.0.0.1:5050/token\",service=\"lazaret\"");
        let said = challenge("gate.test", true).unwrap();
        assert_eq!(said, "Bearer realm=\"https://gate.test/token\",service=\"lazaret\"");
        assert!(challenge("a\",realm=\"http://x", true).is_none() && challenge("", true).is_none());
    }
}
