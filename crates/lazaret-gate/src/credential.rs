//! Who asks, by what they present.

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;
use lazaret_registry::Login;
use sha2::{Digest as _, Sha256};

use crate::Refusal;

/// What a client presents. It decides what the client may see: the gate has no rights of its own.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Anonymous,
    /// A user name and a password or access token (`docker login` on the gate).
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
}

impl Credential {
    /// Reads the `Authorization` header.
    ///
    /// # Errors
    /// A header that is none of the known forms: it must not pass as nobody's.
    pub fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Self::Anonymous) };
        let bad = || Refusal {
            wants_login: true,
            status: axum::http::StatusCode::UNAUTHORIZED,
            ..Refusal::denied(
                "these credentials cannot be read: log in again with user and password",
                serde_json::Value::Null,
            )
        };
        let text = value.to_str().map_err(|_| bad())?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(bad)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(bad());
        }
        let decoded = BASE64.decode(rest.trim().as_bytes()).map_err(|_| bad())?;
        let decoded = String::from_utf8(decoded).map_err(|_| bad())?;
        let (username, password) = decoded.split_once(':').ok_or_else(bad)?;
        Ok(Self::Basic { username: username.to_owned(), password: password.to_owned() })
    }

    /// What to present to the registry in the client's stead.
    pub fn login(&self, registry: &str) -> Option<Login> {
        match self {
            Self::Anonymous => None,
            Self::Basic { username, password } => Some(Login {
                registry: registry.to_owned(),
                username: username.clone(),
                password: password.clone(),
            }),
        }
    }

    /// A name for these credentials that gives nothing of them away.
    pub fn key(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Basic { username, password } => {
                let hash = Sha256::new().chain_update(username).chain_update([0]).chain_update(password);
                data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_read_and_never_shown() {
        let mut headers = HeaderMap::new();
        assert_eq!(Credential::read(&headers).unwrap(), Credential::Anonymous);
        headers.insert(header::AUTHORIZATION, "Basic YTpiOmM=".parse().unwrap());
        let read = Credential::read(&headers).unwrap();
        assert_eq!(read, Credential::Basic { username: "a".into(), password: "b:c".into() });
        assert!(!format!("{read:?} {}", read.key()).contains("b:c"));
        for bad in ["Bearer x", "Basic %%%", "Basic YQ==", "Basic", "x"] {
            headers.insert(header::AUTHORIZATION, bad.parse().unwrap());
            assert_eq!(Credential::read(&headers).unwrap_err().status, 401, "{bad}");
        }
    }
}
