//! Challenges and tokens: Basic (RFC 7617) and the Bearer scheme of registries
//! (distribution, `docs/spec/auth/token.md` and `oauth.md`).

use data_encoding::BASE64;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::RegistryError;
use crate::credentials::Credential;
use crate::endpoint::{authority, is_local_only, is_loopback};

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The best challenge that is known: Bearer before Basic.
pub(crate) fn challenge(headers: &HeaderMap, host: &str) -> Result<Challenge, RegistryError> {
    let mut best = None;
    let mut schemes = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        let Ok(challenges) = http_auth::parse_challenges(text) else {
            schemes.push(lazaret_model::one_line(text, 80));
            continue;
        };
        for offered in challenges {
            let parameter = |name: &str| {
                let (_, value) = offered.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            if offered.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Ok(Challenge::Bearer {
                        realm,
                        service: parameter("service"),
                        scope: parameter("scope"),
                    });
                }
                schemes.push("Bearer without a realm".to_owned());
            } else if offered.scheme.eq_ignore_ascii_case("basic") {
                best = Some(Challenge::Basic);
            } else {
                schemes.push(lazaret_model::one_line(offered.scheme, 40));
            }
        }
    }
    best.ok_or_else(|| RegistryError::AuthScheme {
        host: host.to_owned(),
        schemes: if schemes.is_empty() { "it names none".to_owned() } else { schemes.join(", ") },
    })
}

/// The address of the token server, if it may be used.
///
/// The registry names it, so a hostile registry could name any: it must speak TLS, unless the
/// registry itself is allowed plain HTTP on that host; and a registry elsewhere cannot send
/// the client to this machine's own services.
pub(crate) fn token_server(
    realm: &str,
    registry: &Url,
    host: &str,
    plain_http: &[String],
) -> Result<Url, RegistryError> {
    let refuse = |reason: &str| RegistryError::TokenServer {
        host: host.to_owned(),
        realm: lazaret_model::one_line(realm, 200),
        reason: reason.to_owned(),
    };
    let url = Url::parse(realm).map_err(|_| refuse("that is no URL"))?;
    let Some(realm_host) = url.host_str() else { return Err(refuse("it has no host")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries a user name or password of its own"));
    }
    let registry_is_local = registry.host_str().is_some_and(is_loopback);
    if is_local_only(realm_host) && !registry_is_local {
        return Err(refuse("that is an address of this machine or its link"));
    }
    let plain_is_fine = registry_is_local && is_loopback(realm_host)
        || plain_http.iter().any(|listed| listed.eq_ignore_ascii_case(&authority(&url)));
    match url.scheme() {
        "https" => Ok(url),
        "http" if plain_is_fine => Ok(url),
        "http" => Err(refuse("it does not use TLS")),
        _ => Err(refuse("that is neither https nor http")),
    }
}

/// What to ask the token server for: what the registry says, as long as that is only to read.
pub(crate) fn scope(asked: Option<&str>, repository: &str) -> String {
    if repository.is_empty() {
        // distribution, "Token Scope Documentation": the list of repositories.
        return "registry:catalog:*".to_owned();
    }
    match asked {
        Some(scope)
            if scope.starts_with("repository:") && scope.ends_with(":pull") && !scope.contains(' ') =>
        {
            scope.to_owned()
        }
        _ => format!("repository:{repository}:pull"),
    }
}

/// Appends what a token request carries to the realm's own query, or gives it as a form.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    // A URL's query has the encoding of a form (application/x-www-form-urlencoded).
    let mut url = Url::parse("http://form.invalid/").expect("a constant that is a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The value of an `Authorization` header. Marked sensitive, so that nothing logs it.
pub(crate) fn header(credential: &Credential) -> Option<HeaderValue> {
    let text = match credential {
        Credential::Basic { username, password } => {
            format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
        }
        Credential::Registry(token) => format!("Bearer {token}"),
        Credential::Identity(_) => return None,
    };
    sensitive(&text)
}

pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A token server's answer. Tokens are asked for again when they are refused, so their life
/// span does not matter.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl TokenAnswer {
    pub(crate) fn token(self) -> Option<String> {
        self.token.or(self.access_token).filter(|token| !token.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn challenged(values: &[&str]) -> Result<Challenge, RegistryError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenge(&headers, "reg.example")
    }

    #[test]
    fn bearer_is_preferred_over_basic_in_one_header_or_two() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("reg".to_owned()),
            scope: Some("repository:a/b:pull".to_owned()),
        };
        let text = r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull""#;
        assert_eq!(challenged(&[text]).unwrap(), bearer);
        assert_eq!(challenged(&[r#"Basic realm="x""#, text]).unwrap(), bearer);
        assert_eq!(challenged(&[&format!(r#"Basic realm="x", {text}"#)]).unwrap(), bearer);
        assert_eq!(challenged(&[r#"basic realm="x""#]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn an_unknown_scheme_is_named() {
        let error = challenged(&[r#"Negotiate"#]).unwrap_err().to_string();
        assert!(error.contains("Negotiate"), "{error}");
        assert!(challenged(&[]).is_err());
    }

    #[test]
    fn a_token_server_must_speak_tls_and_be_elsewhere() {
        let public = Url::parse("https://reg.example/").unwrap();
        let local = Url::parse("http://127.0.0.1:5000/").unwrap();
        let plain = ["auth.lan:81".to_owned()];
        let ok = |realm, registry| token_server(realm, registry, "reg.example", &plain).is_ok();
        assert!(ok("https://auth.example/token", &public));
        assert!(!ok("http://auth.example/token", &public));
        assert!(ok("http://auth.lan:81/token", &public));
        assert!(!ok("http://127.0.0.1:2375/containers", &public));
        assert!(!ok("https://localhost/token", &public));
        assert!(!ok("https://169.254.169.254/latest", &public));
        assert!(ok("http://127.0.0.1:5001/token", &local));
        assert!(!ok("http://auth.example/token", &local));
        assert!(!ok("https://user:pw@auth.example/token", &public));
        assert!(!ok("file:///etc/passwd", &public));
        assert!(!ok("/token", &public));
    }

    #[test]
    fn only_the_right_to_pull_is_asked_for() {
        assert_eq!(scope(Some("repository:a/b:pull"), "x"), "repository:a/b:pull");
        for wide in [
            Some("repository:a/b:pull,push"),
            Some("registry:catalog:*"),
            Some("repository:a:push repository:b:pull"),
            None,
        ] {
            assert_eq!(scope(wide, "x/y"), "repository:x/y:pull");
        }
    }

    #[test]
    fn a_form_is_encoded() {
        assert_eq!(form(&[("a", "x y&z=/:"), ("b", "ü")]), "a=x+y%26z%3D%2F%3A&b=%C3%BC");
    }
}
