use reqwest::Response;
use serde::Deserialize;

use crate::error::clause;

/// Most bytes of an error's body that are read.
const BODY_LIMIT: usize = 16 << 10;

/// What a registry says when it refuses (distribution-spec, "Error Codes").
#[derive(Debug, Default, Clone)]
pub(crate) struct Refusal {
    /// The first error's code, `MANIFEST_UNKNOWN`; empty where the body is in another form.
    pub(crate) code: String,
    /// The first error's message, made fit for one line; empty where there is none.
    pub(crate) message: String,
    /// Whether the body has the form of a registry's.
    pub(crate) spoken_by_registry: bool,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Item>,
    /// Token servers write their message here (Docker Hub, GitLab).
    #[serde(default)]
    details: Option<String>,
    /// OAuth 2 errors (RFC 6749, 5.2).
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Refusal {
    /// Reads the body of an answer that is no success, as much of it as comes in this time.
    pub(crate) async fn read(mut response: Response, most: std::time::Duration) -> Self {
        let mut text = Vec::new();
        let end = tokio::time::Instant::now() + most;
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(end, response.chunk()).await {
            text.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - text.len())]);
            if text.len() >= BODY_LIMIT {
                break;
            }
        }
        Self::parse(&text)
    }

    fn parse(text: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Body>(text) else { return Self::default() };
        match body.errors.into_iter().next() {
            Some(first) => Self {
                code: first.code,
                message: first.message.unwrap_or_default(),
                spoken_by_registry: true,
            },
            None => Self {
                code: String::new(),
                message: body.error_description.or(body.details).unwrap_or_default(),
                spoken_by_registry: false,
            },
        }
    }

    /// ` (message)`, or nothing. The message is the server's: it is made safe to show.
    pub(crate) fn clause(&self) -> String {
        clause(if self.message.is_empty() { &self.code } else { &self.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_told_and_control_characters_are_not_obeyed() {
        let refusal =
            Refusal::parse(br#"{"errors":[{"code":"DENIED","message":"no \u001b[31mway","detail":null}]}"#);
        assert_eq!(refusal.code, "DENIED");
        assert_eq!(refusal.clause(), " (no \\x1b[31mway)");
        assert!(refusal.spoken_by_registry);
    }

    #[test]
    fn a_page_of_html_says_nothing() {
        let refusal = Refusal::parse(b"<html>404</html>");
        assert!(!refusal.spoken_by_registry && refusal.clause().is_empty());
        assert_eq!(
            Refusal::parse(br#"{"details":"incorrect username or password"}"#).clause(),
            " (incorrect username or password)"
        );
    }
}
