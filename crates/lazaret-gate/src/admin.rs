//! What an operator asks a gate: how it is, what came in, what did not, and why. Read only, on an
//! address of its own, for those who hold its token.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Named, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD;
use lazaret_model::{Algorithm, Digest, Report};
use lazaret_oci::digest_of;
use lazaret_report::{Format, Options, render};
use lazaret_store::{Answer, Decision, DecisionFilter};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;

use crate::gate::Gate;
use crate::http::{Site, serve_site};
use crate::journal::milliseconds;
use crate::listen::Limits;
use crate::metrics;
use crate::tls::Tls;

/// Shortest token that is one.
const SHORTEST: usize = 20;
/// Answers that are listed where no limit is asked for, and at most.
const LISTED: u32 = 100;
const LISTED_AT_MOST: u32 = 10_000;

/// What a page with a report may do: show itself.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'; sandbox";

/// What opens the admin API. Only a digest of it is kept.
#[derive(Clone)]
pub struct AdminToken {
    digest: String,
}

impl AdminToken {
    /// Reads the token of a file, and makes one, readable by its owner alone, where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or made; a token that is too short to be one.
    pub fn open(file: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(file)?,
            read => read?,
        };
        let token = text.trim();
        if token.len() < SHORTEST {
            let reason = format!("a token has at least {SHORTEST} characters");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        if std::fs::metadata(file)?.permissions().mode() & 0o007 != 0 {
            tracing::warn!("{} can be read by everybody on this machine", file.display());
        }
        Ok(Self { digest: hash(token) })
    }

    /// Whether a request shows it. Takes as long for a wrong one as for one that is nearly right.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' '));
        let Some((_, token)) = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return false;
        };
        let shown = hash(token.trim());
        let differences = shown.bytes().zip(self.digest.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        shown.len() == self.digest.len() && differences == 0
    }
}

fn hash(token: &str) -> String {
    digest_of(Algorithm::Sha256, token.as_bytes()).hex().to_owned()
}

fn make(file: &Path) -> io::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token = BASE64URL_NOPAD.encode(&random);
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(format!("{token}\n").as_bytes())?;
    tracing::info!("a token for the admin API was made: {}", file.display());
    Ok(token)
}

/// Serves the admin API until `stop` ends.
pub async fn serve_admin(
    gate: Arc<Gate>,
    token: AdminToken,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) {
    let requests = Arc::clone(&gate.requests);
    let app = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/decisions", get(decisions))
        .route("/api/v1/reports/{digest}", get(report_json))
        .route("/reports/{digest}", get(report_page))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such page"))
        .layer(from_fn_with_state(token, guard))
        .with_state(gate);
    // Few ask; none of them takes the place of those who pull.
    let limits = Limits { connections: 64, ..Limits::default() };
    serve_site(Site::new(app, requests), listener, tls, limits, stop).await;
}

async fn guard(State(token): State<AdminToken>, request: Request, next: Next) -> Response<Body> {
    let mut response = match token.opens(request.headers()) {
        true => next.run(request).await,
        false => {
            let mut refused = problem(StatusCode::UNAUTHORIZED, "the admin token is needed");
            let challenge = HeaderValue::from_static("Bearer realm=\"lazaret-admin\"");
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            refused
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn problem(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = answer(&json!({ "error": text }));
    *response.status_mut() = status;
    response
}

fn answer(value: &Value) -> Response<Body> {
    ([(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

fn when(time: OffsetDateTime) -> Option<String> {
    time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

fn moment(milliseconds: i64) -> Option<String> {
    when(OffsetDateTime::from_unix_timestamp(milliseconds / 1_000).ok()?)
}

async fn status(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let (bytes, blobs) = gate.shelf.holds();
    let counted =
        |word: &str| gate.metrics.manifests.get_or_create(&metrics::Answer { answer: word.to_owned() }).get();
    let answers: serde_json::Map<String, Value> =
        Answer::ALL.iter().map(|answer| (answer.word().to_owned(), counted(answer.word()).into())).collect();
    let pending: Vec<Value> = gate
        .judge
        .underway()
        .into_iter()
        .map(|(digest, of)| {
            json!({ "image": of.image, "digest": digest.to_string(), "since": when(of.since) })
        })
        .collect();
    let uptime = (OffsetDateTime::now_utc() - gate.started).whole_seconds();
    let policy = gate.policy();
    let state = gate.policy_state();
    let today = OffsetDateTime::now_utc().date();
    let expired: Vec<String> = policy.expired(today);
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "startedAt": when(gate.started),
        "uptimeSeconds": uptime,
        "judges": gate.judge.scanner().judges(),
        "upstreams": gate.upstreams.names(),
        "policy": {
            "file": gate.settings.policy.as_ref().map(|path| path.display().to_string()),
            "mode": policy.mode,
            "rules": policy.rules.len(),
            "expired": expired,
            "digest": state.digest,
            "readAt": when(state.read_at),
            "error": state.error,
        },
        "cache": { "bytes": bytes, "limit": gate.settings.blob_bytes, "blobs": blobs },
        "answers": answers,
        "pending": pending,
    }))
}

/// What is asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Words of answers with commas between them.
    answer: Option<String>,
    /// A part of the image's name.
    image: Option<String>,
    /// RFC 3339.
    since: Option<String>,
    limit: Option<u32>,
    /// Only what came in once and does not now.
    #[serde(default)]
    changed: bool,
}

impl Wanted {
    fn filter(&self) -> Result<DecisionFilter, String> {
        let words = self.answer.iter().flat_map(|words| words.split(',')).filter(|word| !word.is_empty());
        let answers = words.map(str::parse).collect::<Result<Vec<Answer>, _>>();
        let since = self.since.as_deref().map(|text| {
            let time = OffsetDateTime::parse(text, &Rfc3339);
            time.map(milliseconds).map_err(|_| {
                let text = lazaret_model::one_line(text, 60);
                format!("`{text}` is no time: write it as 2027-01-31T00:00:00Z")
            })
        });
        Ok(DecisionFilter {
            answers: answers.map_err(|error| lazaret_model::one_line(&error.to_string(), 200))?,
            image: self.image.clone(),
            since: since.transpose()?,
            limit: Some(self.limit.unwrap_or(LISTED).min(LISTED_AT_MOST)),
        })
    }
}

async fn decisions(State(gate): State<Arc<Gate>>, Query(wanted): Query<Wanted>) -> Response<Body> {
    let filter = match wanted.filter() {
        Ok(filter) => filter,
        Err(text) => return problem(StatusCode::BAD_REQUEST, &text),
    };
    let scanner = gate.judge.scanner();
    let Some(store) = scanner.store() else {
        return problem(StatusCode::NOT_FOUND, "this gate has no store, so it keeps no list");
    };
    let listed = if wanted.changed { changed(store, &filter).await } else { store.decisions(&filter).await };
    match listed {
        Ok(list) => answer(&json!({ "decisions": list.iter().map(told).collect::<Vec<_>>() })),
        Err(error) => {
            let error = lazaret_model::one_line(&error.to_string(), 300);
            problem(StatusCode::SERVICE_UNAVAILABLE, &format!("the store cannot be read: {error}"))
        }
    }
}

fn told(decision: &Decision) -> Value {
    let mut value = json!(decision);
    value["time"] = json!(moment(decision.time));
    value
}

/// Answers about digests that came in before, and that the policy is against now: each once.
async fn changed(
    store: &lazaret_store::Store,
    filter: &DecisionFilter,
) -> Result<Vec<Decision>, lazaret_store::StoreError> {
    let all = |answers: Vec<Answer>, since| DecisionFilter {
        answers,
        image: filter.image.clone(),
        since,
        limit: Some(LISTED_AT_MOST),
    };
    let against = store.decisions(&all(vec![Answer::Refused, Answer::Audited], filter.since)).await?;
    let mut came_in = HashMap::new();
    for served in store.decisions(&all(vec![Answer::Served], None)).await? {
        if let Some(digest) = served.digest {
            // The first one that is met is the latest.
            came_in.entry(digest).or_insert(served.time);
        }
    }
    let mut seen = std::collections::HashSet::new();
    let limit = filter.limit.unwrap_or(LISTED) as usize;
    Ok(against
        .into_iter()
        .filter(|refused| {
            let Some(digest) = &refused.digest else { return false };
            came_in.get(digest).is_some_and(|&time| time <= refused.time) && seen.insert(digest.clone())
        })
        .take(limit)
        .collect())
}

async fn stored(gate: &Gate, digest: &str) -> Result<Report, (StatusCode, String)> {
    let Ok(digest) = digest.parse::<Digest>() else {
        let digest = lazaret_model::one_line(digest, 100);
        return Err((StatusCode::BAD_REQUEST, format!("`{digest}` is no digest")));
    };
    let scanner = gate.judge.scanner();
    let Some(store) = scanner.store() else {
        return Err((StatusCode::NOT_FOUND, "this gate has no store, so it keeps no reports".to_owned()));
    };
    match store.latest_report(&digest).await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err((StatusCode::NOT_FOUND, format!("there is no report about {digest}"))),
        Err(error) => {
            tracing::error!("a report cannot be read: {}", lazaret_model::one_line(&error.to_string(), 300));
            Err((StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read".to_owned()))
        }
    }
}

async fn rendered(
    gate: &Gate,
    digest: &str,
    format: Format,
    kind: &'static str,
) -> Result<Response<Body>, (StatusCode, String)> {
    let report = stored(gate, digest).await?;
    let text = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        render(format, &[report], &Options::default(), &mut text).map(|()| text)
    });
    match text.await {
        Ok(Ok(text)) => Ok(([(header::CONTENT_TYPE, kind)], text).into_response()),
        _ => Err((StatusCode::INTERNAL_SERVER_ERROR, "the report cannot be written out".to_owned())),
    }
}

async fn report_json(State(gate): State<Arc<Gate>>, Named(digest): Named<String>) -> Response<Body> {
    rendered(&gate, &digest, Format::Json, "application/json")
        .await
        .unwrap_or_else(|(status, text)| problem(status, &text))
}

/// A report for people. Whoever has the digest may read it.
pub(crate) async fn report_page(
    State(gate): State<Arc<Gate>>,
    Named(digest): Named<String>,
) -> Response<Body> {
    let page = rendered(&gate, &digest, Format::Html, "text/html; charset=utf-8").await;
    let mut response = page.unwrap_or_else(|(status, text)| (status, format!("{text}\n")).into_response());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_made_for_its_owner_alone_and_nothing_but_it_opens() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = AdminToken::open(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        let shows = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            token.opens(&headers)
        };
        assert!(shows(&format!("Bearer {}", text.trim())));
        assert!(AdminToken::open(&file).unwrap().opens(&{
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, format!("bearer {}", text.trim()).parse().unwrap());
            headers
        }));
        let cut = &text[..text.trim().len() - 1];
        for wrong in
            ["Bearer", "Bearer ", "Bearer x", &format!("Basic {}", text.trim()), &format!("Bearer {cut}")]
        {
            assert!(!shows(wrong), "{wrong}");
        }
        assert!(!token.opens(&HeaderMap::new()));
        std::fs::write(&file, "short\n").unwrap();
        assert!(AdminToken::open(&file).is_err());
    }

    #[test]
    fn what_is_asked_of_the_list_is_understood_or_refused_in_words() {
        let wanted = |answer: &str, since: &str| {
            Wanted {
                answer: Some(answer.to_owned()),
                image: None,
                since: (!since.is_empty()).then(|| since.to_owned()),
                limit: Some(u32::MAX),
                changed: false,
            }
            .filter()
        };
        let filter = wanted("refused,failed", "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(filter.answers, [Answer::Refused, Answer::Failed]);
        assert_eq!((filter.since, filter.limit), (Some(1_767_225_600_000), Some(LISTED_AT_MOST)));
        assert!(wanted("refused,nonsense", "").unwrap_err().contains("nonsense"));
        assert!(wanted("", "yesterday").unwrap_err().contains("no time"));
    }
}
