//! How a gate says no (OCI distribution specification, "Error Codes").

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use lazaret_registry::RegistryError;
use lazaret_scan::ScanError;
use serde_json::{Value, json};

/// What a client is told while its image is judged.
const PENDING: &str = "the image is still being judged: try again in a minute";

/// An answer that is no content: what the client shows to a person, and what it acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Code of the specification.
    pub code: &'static str,
    /// One line for people.
    pub message: String,
    /// More for machines.
    pub detail: Option<Box<Value>>,
    /// Seconds after which asking again makes sense.
    pub retry_after: Option<u64>,
    /// Whether credentials would help.
    pub wants_login: bool,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, retry_after: None, wants_login: false }
    }

    /// The image may not come in.
    pub fn denied(message: impl Into<String>, detail: Option<Value>) -> Self {
        Self { detail: detail.map(Box::new), ..Self::new(StatusCode::FORBIDDEN, "DENIED", message) }
    }

    /// Credentials that do not do, or are missing.
    pub fn login(message: impl Into<String>) -> Self {
        Self { wants_login: true, ..Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message) }
    }

    /// A blob that no allowed manifest reaches.
    pub fn unreached(digest: &lazaret_model::Digest) -> Self {
        let message = format!("no image that was let in here holds {digest}: pull the image, not its parts");
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// The gate lets nothing in for pushing.
    pub fn push() -> Self {
        let message = "this gate only lets images in: push to the registry itself";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    /// The registry did not answer in time.
    pub(crate) fn no_answer(registry: &str, seconds: u64) -> Self {
        let registry = lazaret_model::one_line(registry, 120);
        let message = format!("{registry} did not answer within {seconds} seconds: try again later");
        Self { retry_after: Some(30), ..Self::new(StatusCode::GATEWAY_TIMEOUT, "UNAVAILABLE", message) }
    }

    /// The judgement is not there yet.
    pub fn pending(seconds: u64) -> Self {
        let message = PENDING;
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
        }
    }

    /// Whether it says no more than that the judgement is not there yet.
    pub fn is_pending(&self) -> bool {
        self.message == PENDING
    }

    pub(crate) fn unknown_upstream(name: &str, known: &[String]) -> Self {
        let name = lazaret_model::one_line(name, 80);
        let message =
            format!("this gate does not stand before `{name}`; it stands before {}", known.join(", "));
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message)
    }

    pub(crate) fn no_such_page(path: &str) -> Self {
        let message = format!("`{}` is no address of a registry", lazaret_model::one_line(path, 120));
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", message)
    }

    pub(crate) fn bad_name(name: &str) -> Self {
        let message = format!("`{}` is no name of an image", lazaret_model::one_line(name, 120));
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
    }

    pub(crate) fn bad_digest(text: &str) -> Self {
        let message = format!("`{}` is no digest", lazaret_model::one_line(text, 120));
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    /// A document that is no manifest the gate lets through.
    pub(crate) fn bad_manifest(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// The gate itself cannot: nothing is let in then.
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// What the upstream said, as this client should hear it.
    pub fn upstream(error: &RegistryError) -> Self {
        use RegistryError as E;
        let said = lazaret_model::one_line(&error.to_string(), 600);
        match error {
            E::CredentialsNeeded { .. } | E::CredentialsRefused { .. } => {
                Self { wants_login: true, ..Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", said) }
            }
            E::Denied { .. } => Self::new(StatusCode::FORBIDDEN, "DENIED", said),
            E::NoSuchRepository { .. } => Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", said),
            E::NoSuchTag { .. } => Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", said),
            E::NoSuchDigest { what, .. } => {
                let code = if *what == "manifest" { "MANIFEST_UNKNOWN" } else { "BLOB_UNKNOWN" };
                Self::new(StatusCode::NOT_FOUND, code, said)
            }
            E::Busy { status: 429, retry_after, .. } => Self {
                retry_after: Some(retry_after.map_or(60, |wait| wait.as_secs().max(1))),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", said)
            },
            E::Busy { retry_after, .. } => Self {
                retry_after: Some(retry_after.map_or(30, |wait| wait.as_secs().max(1))),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", said)
            },
            // What the specification lets a registry refuse at a push, it may not bring in.
            E::DocumentTooLarge { what, limit, .. } => {
                let what = lazaret_model::one_line(what, 200);
                Self::bad_manifest(format!(
                    "{what} is larger than the {limit} bytes that a manifest may have"
                ))
            }
            E::Unreachable { .. } => Self {
                retry_after: Some(30),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", said)
            },
            // What the image is.
            E::Resolve(_) | E::Schema1 { .. } => {
                Self::denied(format!("the image could not be judged, so it may not come in: {said}"), None)
            }
            // A registry that lies is no passing trouble.
            _ => Self::new(StatusCode::BAD_GATEWAY, "MANIFEST_INVALID", said),
        }
    }

    /// What kept the image from being judged.
    pub fn unjudged(error: &ScanError) -> Self {
        match error {
            ScanError::Registry(error) => Self::upstream(error),
            // What the image is.
            ScanError::DigestMismatch { .. } | ScanError::Resolve(_) | ScanError::Source(_) => {
                let said = lazaret_model::one_line(&error.to_string(), 600);
                Self::denied(format!("the image could not be judged, so it may not come in: {said}"), None)
            }
            // What went wrong here.
            other => {
                let said = lazaret_model::one_line(&other.to_string(), 600);
                Self::broken(format!("the gate cannot judge at the moment, so nothing comes in: {said}"))
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(detail) = self.detail {
            error["detail"] = *detail;
        }
        let body = json!({ "errors": [error] }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
