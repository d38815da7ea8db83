//! A Kubernetes admission webhook: `/mutate` writes the digest for each tag, `/validate` judges
//! each image as its container is run (Kubernetes documentation, "Dynamic Admission Control").

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use lazaret_model::RegistryRef;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::Knock;
use super::review::{Change, Part, Request, Review, VERSION, answer, bare, changed, patched};
use crate::gate::Gate;
use crate::tls::Tls;
use crate::{Mode, Refusal};

/// The name of the door in the audit log.
const DOOR: &str = "admission";
/// Longest wait for a client to begin its TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest review: etcd holds objects of 1.5 MiB, and an update sends two.
const REVIEW: usize = 8 << 20;
/// How long an API server waits where it does not say.
const WAITS: Duration = Duration::from_secs(10);
/// What the way of an answer may take of that.
const WAY: Duration = Duration::from_secs(1);

/// Serves the webhook until `stop` ends.
///
/// # Errors
/// The socket fails.
pub async fn serve_admission(
    gate: Arc<Gate>,
    tls: Arc<Tls>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/validate", post(validate))
        .route("/mutate", post(mutate))
        .layer(DefaultBodyLimit::max(REVIEW))
        .with_state(gate);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return Ok(()),
        };
        match accepted {
            Ok((stream, client)) => {
                tokio::spawn(speak(stream, client, Arc::clone(&tls), app.clone()));
            }
            // Out of descriptors: the others go on.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn speak(stream: TcpStream, _client: SocketAddr, tls: Arc<Tls>, app: Router) {
    let accept = TlsAcceptor::from(tls.config()).accept(stream);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, accept).await else { return };
    let service = service_fn(move |request: HttpRequest<Incoming>| {
        let app = app.clone();
        async move {
            let Ok(response) = app.oneshot(request.map(Body::new)).await;
            Ok::<_, Infallible>(response)
        }
    });
    // What goes wrong on one connection concerns that client alone.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// How long the API server waits: it says so in the address (`?timeout=10s`).
fn waits(query: Option<&str>) -> Duration {
    let said = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| {
        let seconds = pair.strip_prefix("timeout=")?.strip_suffix('s')?;
        seconds.parse::<u64>().ok().map(Duration::from_secs)
    });
    said.unwrap_or(WAITS).saturating_sub(WAY).max(WAY / 2)
}

/// The question, or the answer to what is none that is understood.
fn question(body: &[u8]) -> Result<Request, Box<Response>> {
    let wrong = |said: String| Err(Box::new((StatusCode::BAD_REQUEST, said).into_response()));
    let review: Review = match serde_json::from_slice(body) {
        Ok(review) => review,
        Err(error) => return wrong(format!("this is no AdmissionReview: {error}\n")),
    };
    if review.kind != "AdmissionReview" {
        return wrong("this is no AdmissionReview\n".to_owned());
    }
    if review.api_version != VERSION {
        let said = format!("lazaret speaks {VERSION} alone: set admissionReviewVersions to [\"v1\"]");
        let version = lazaret_model::one_line(&review.api_version, 60);
        return Err(Box::new(json(&answer(&version, &review.request.uid, Some((400, &said)), &[]))));
    }
    Ok(review.request)
}

async fn validate(State(gate): State<Arc<Gate>>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let request = match question(&body) {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let (refused, warnings) = judge(&gate, &request, waits(query.as_deref())).await;
    let refused = refused.as_ref().map(|(code, said)| (*code, said.as_str()));
    json(&answer(VERSION, &request.uid, refused, &warnings))
}

/// Judges what an object brings: why it is refused, and what it would be refused for.
async fn judge(gate: &Gate, request: &Request, waits: Duration) -> (Option<(u16, String)>, Vec<String>) {
    let parts = match parts_of(request) {
        Ok(parts) => parts,
        // Where the policy only watches, nothing is stopped for not being understood either.
        Err(said) if gate.policy().mode == Mode::Audit => return (None, vec![said]),
        Err(said) => return (Some((403, said)), Vec::new()),
    };
    let place = place(request);
    let knock = Knock {
        door: DOOR,
        who: &request.user_info.username,
        at: &place,
        hold: Some(waits),
        dry: request.dry_run == Some(true),
        may_pass: true,
    };
    let judged = parts.iter().map(|part| one(gate, part, knock));
    let (mut code, mut refused, mut warnings) = (0, Vec::new(), Vec::new());
    for (part, outcome) in parts.iter().zip(join_all(judged).await) {
        match outcome {
            Ok(None) => {}
            Ok(Some(warning)) => warnings.push(format!("{}: {warning}", part.what)),
            Err(refusal) => {
                code = code.max(refusal.status.as_u16());
                refused.push(format!("{}: {}", part.what, refusal.message));
            }
        }
    }
    let refused = (!refused.is_empty()).then(|| (code, refused.join("; ")));
    (refused, warnings)
}

fn parts_of(request: &Request) -> Result<Vec<Part>, String> {
    match request.operation.as_str() {
        "CREATE" | "UPDATE" => changed(request),
        // Nothing comes in by what goes away.
        _ => Ok(Vec::new()),
    }
}

async fn one(gate: &Gate, part: &Part, knock: Knock<'_>) -> Result<Option<String>, Refusal> {
    let image = match reference(&part.image) {
        Ok(image) => image,
        Err(refusal) => {
            let said = refusal.message.clone();
            return gate.answer_unjudged(&part.image, Err(refusal), knock).map(|()| Some(said));
        }
    };
    gate.admit_image(&image, None, part.launch.as_ref(), knock).await.map(|admitted| admitted.warning)
}

async fn mutate(State(gate): State<Arc<Gate>>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let request = match question(&body) {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let audit = gate.policy().mode == Mode::Audit;
    let waits = waits(query.as_deref());
    let outcome = match parts_of(&request) {
        Ok(parts) => {
            let pinned = parts.iter().map(|part| pin(&gate, part, waits));
            join_all(pinned).await.into_iter().collect::<Result<Vec<_>, _>>()
        }
        Err(said) => Err((403, said)),
    };
    match outcome {
        Ok(changes) => json(&patched(&request.uid, &changes.into_iter().flatten().collect::<Vec<_>>())),
        Err((_, said)) if audit => json(&answer(VERSION, &request.uid, None, &[said])),
        Err((code, said)) => json(&answer(VERSION, &request.uid, Some((code, &said)), &[])),
    }
}

/// What a tag stands for now is what is judged, and what every node then fetches.
async fn pin(gate: &Gate, part: &Part, waits: Duration) -> Result<Option<Change>, (u16, String)> {
    let told = |refusal: Refusal| (refusal.status.as_u16(), format!("{}: {}", part.what, refusal.message));
    let image = reference(&part.image).map_err(told)?;
    if image.digest.is_some() {
        return Ok(None);
    }
    let digest = gate.resolve_image(&image, waits).await.map_err(told)?;
    let value = format!("{}@{digest}", bare(&part.image));
    Ok(Some(Change { op: "replace", path: part.pointer.clone(), value }))
}

fn reference(image: &str) -> Result<RegistryRef, Refusal> {
    image.parse().map_err(|error| {
        let said = lazaret_model::one_line(&format!("{error}"), 300);
        Refusal::denied(format!("lazaret refuses what it cannot judge: {said}"), None)
    })
}

/// Where an object is, for people: `Pod team/web`.
fn place(request: &Request) -> String {
    let name = if request.name.is_empty() { "(named later)" } else { &request.name };
    lazaret_model::one_line(&format!("{} {}/{name}", request.kind.kind, request.namespace), 300)
}

fn json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_before_the_api_server_stops_waiting() {
        assert_eq!(waits(None), Duration::from_secs(9));
        assert_eq!(waits(Some("timeout=30s")), Duration::from_secs(29));
        assert_eq!(waits(Some("a=b&timeout=1s")), Duration::from_millis(500));
        assert_eq!(waits(Some("timeout=soon")), Duration::from_secs(9));
    }
}
