//! The gate as a registry on a socket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lazaret_model::{Digest, RegistryRef, one_line};
use lazaret_store::{Answer as Listed, Decision};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{Instrument, Span};

use crate::admin::report_page;
use crate::audit::Entry;
use crate::blobs::Range;
use crate::credential::{TOKEN_LASTS, challenge};
use crate::gate::Gate;
use crate::journal::milliseconds;
use crate::listen::{Connection, Limits, Protocol, take_in};
use crate::lists;
use crate::manifests::Trace;
use crate::metrics::Answer;
use crate::request_id::{RequestId, RequestIds};
use crate::tls::Tls;
use crate::transparent::Origin;
use crate::{Asked, Credential, Refusal};

/// Serves as a registry until `stop` ends, over TLS where there is a certificate; then what is under
/// way is brought to its end.
pub async fn serve(
    gate: Arc<Gate>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let site = Site::new(router(Arc::clone(&gate)), Arc::clone(&gate.requests));
    serve_site(site, listener, tls, limits, stop).await;
}

/// The same for anything that has pages.
pub(crate) async fn serve_site(
    site: Site,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    take_in(listener, limits, stop, |connection| {
        let (site, tls) = (site.clone(), tls.clone());
        async move { site.connection(connection, tls).await }
    })
    .await;
}

/// Pages, and the numbers of those who ask for them.
#[derive(Clone)]
pub(crate) struct Site {
    app: Router,
    requests: Arc<RequestIds>,
}

/// That a request came over TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secure;

impl Site {
    pub(crate) fn new(app: Router, requests: Arc<RequestIds>) -> Self {
        Self { app, requests }
    }

    async fn connection(self, connection: Connection, tls: Option<Arc<Tls>>) {
        let Connection { stream, client, manners } = connection;
        let Some(tls) = tls else {
            let answer = service_fn(move |request| {
                let site = self.clone();
                async move { Ok::<_, Infallible>(site.answer(request, client, None, false).await) }
            });
            // Without TLS no client of a registry speaks anything else.
            return manners.speak(stream, Protocol::Http1, answer).await;
        };
        let accept = TlsAcceptor::from(tls.config()).accept(stream);
        match tokio::time::timeout(manners.limits.handshake, accept).await {
            Ok(Ok(stream)) => {
                let protocol = protocol(stream.get_ref().1.alpn_protocol());
                let answer = service_fn(move |request| {
                    let site = self.clone();
                    async move { Ok::<_, Infallible>(site.answer(request, client, None, true).await) }
                });
                manners.speak(stream, protocol, answer).await;
            }
            Ok(Err(error)) => tracing::debug!(%client, "no TLS: {}", one_line(&error.to_string(), 200)),
            Err(_) => tracing::debug!(%client, "no TLS within its time"),
        }
    }

    /// Answers one request, under a number of its own that the client is told and the log has.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
        client: SocketAddr,
        origin: Option<Origin>,
        secure: bool,
    ) -> Response<Body> {
        let begin = Instant::now();
        let id = self.requests.next();
        let method = request.method().clone();
        let path = one_line(request.uri().path(), 300);
        let span = tracing::info_span!(
            "request",
            id = %id.0,
            client = %client,
            origin = tracing::field::Empty,
            user = tracing::field::Empty
        );
        let header = HeaderValue::from_str(&id.0);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(id);
        if secure {
            request.extensions_mut().insert(Secure);
        }
        if let Some(origin) = origin {
            span.record("origin", origin.0.as_str());
            request.extensions_mut().insert(origin);
        }
        let answered = self.app.oneshot(request).instrument(span.clone()).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Ok(header) = header {
            response.headers_mut().insert("x-request-id", header);
        }
        let status = response.status();
        let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _entered = span.enter();
        match status.as_u16() {
            // Asked again and again by what watches the gate.
            _ if matches!(path.as_str(), "/healthz" | "/readyz" | "/metrics") => {
                tracing::debug!(%method, path, status = status.as_u16(), milliseconds, "answered");
            }
            code @ 500.. => tracing::warn!(%method, path, status = code, milliseconds, "answered"),
            code => tracing::info!(%method, path, status = code, milliseconds, "answered"),
        }
        response
    }
}

/// What a client chose to speak in its handshake (RFC 7301).
pub(crate) fn protocol(chosen: Option<&[u8]>) -> Protocol {
    if chosen == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 }
}

/// What the gate answers, by whichever way a request comes.
pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/token", get(token))
        .route("/reports/{digest}", get(report))
        .fallback(registry)
        .with_state(gate)
}

/// Whether something could come in: without a place for blobs nothing does.
async fn ready(State(gate): State<Arc<Gate>>) -> Response<Body> {
    match gate.shelf.is_writable() {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            let text = format!("the directory for blobs cannot be written: {error}\n");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let (bytes, _) = gate.shelf.holds();
    gate.metrics.pending.set(i64::try_from(gate.judge.pending()).unwrap_or(i64::MAX));
    gate.metrics.shelf_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], gate.metrics.text()).into_response()
}

/// The report that a refusal names, where the operator wants it shown.
async fn report(state: State<Arc<Gate>>, digest: axum::extract::Path<String>) -> Response<Body> {
    match state.settings.reports {
        Some(_) => report_page(state, digest).await,
        None => (StatusCode::NOT_FOUND, "this gate shows no reports\n").into_response(),
    }
}

/// A token for whatever the client presents (distribution, `docs/spec/auth/token.md`).
async fn token(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    match gate.tokens.issue(&parts.headers, origin(&parts), &gate.upstreams) {
        Some(token) => {
            let body = json!({ "token": token, "access_token": token, "expires_in": TOKEN_LASTS.as_secs() });
            ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        None => {
            Refusal::login("these credentials cannot be read: user and password are needed").into_response()
        }
    }
}

/// The registry under whose own name the gate was asked, where it was.
fn origin(request: &Parts) -> Option<&str> {
    request.extensions.get::<Origin>().map(|origin| origin.0.as_str())
}

/// Where a client is sent for a token: to the host that it asked, by the way that it came.
fn realm(request: &Parts) -> Option<HeaderValue> {
    // HTTP/2 has the host in the address.
    let host = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers.get(header::HOST)?.to_str().ok()?,
    };
    // A server before the gate that ends TLS says so. Whoever only pretends it fools itself alone, and
    // without this word passwords would be asked for in the clear.
    let forwarded = request.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let extensions = &request.extensions;
    let secure = forwarded || extensions.get::<Secure>().is_some() || extensions.get::<Origin>().is_some();
    challenge(host, secure)
}

async fn registry(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    // Nothing that a client sends in a body is of interest: this registry takes nothing.
    let (parts, _) = request.into_parts();
    let mut response = match answer(&gate, client, &parts).await {
        Ok(response) => response,
        Err(refusal) => {
            let wants_login = refusal.wants_login;
            let mut response = traceable(refusal, &parts).into_response();
            if let Some(challenge) = realm(&parts).filter(|_| wants_login) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// The number under which the request is found in the log and in the audit log.
fn request_id(request: &Parts) -> &str {
    request.extensions.get::<RequestId>().map_or("", |id| id.0.as_str())
}

/// A refusal that says which request it was.
fn traceable(mut refusal: Refusal, request: &Parts) -> Refusal {
    let mut detail = match refusal.detail.take() {
        Some(detail) if detail.is_object() => *detail,
        _ => json!({}),
    };
    detail["request"] = Value::from(request_id(request));
    refusal.detail = Some(Box::new(detail));
    refusal
}

async fn answer(gate: &Gate, client: SocketAddr, request: &Parts) -> Result<Response<Body>, Refusal> {
    let uri = &request.uri;
    let origin = origin(request);
    let asked = Asked::read(&request.method, uri.path(), uri.query(), origin, &gate.upstreams)?;
    let credential = gate.tokens.read(&request.headers, origin, &gate.upstreams)?;
    Span::current().record("user", one_line(credential.user(), 100));
    match asked {
        // Clients learn here how to ask; nothing else that is asked without credentials is refused for
        // that, unless the registry does.
        Asked::Ping if !request.headers.contains_key(header::AUTHORIZATION) => {
            Err(Refusal::login("fetch a token, with credentials or without"))
        }
        Asked::Ping => Ok(([(header::CONTENT_TYPE, "application/json")], "{}").into_response()),
        Asked::Push => Err(Refusal::push()),
        Asked::Manifest(image) => manifest(gate, client, &credential, &image, request).await,
        Asked::Blob(image, digest) => blob(gate, client, &credential, &image, &digest, request).await,
        Asked::Tags(image) => relay(gate, &credential, &image, "tags/list", uri).await,
        Asked::Referrers(image, digest) => {
            relay(gate, &credential, &image, &format!("referrers/{digest}"), uri).await
        }
    }
}

async fn manifest(
    gate: &Gate,
    client: SocketAddr,
    credential: &Credential,
    image: &RegistryRef,
    request: &Parts,
) -> Result<Response<Body>, Refusal> {
    let begin = Instant::now();
    let mut trace = Trace::default();
    let outcome = gate.manifest(credential, image, &mut trace).await;
    gate.tell_holders().await;
    gate.metrics.seconds.observe(begin.elapsed().as_secs_f64());
    let asked = Question { id: request_id(request), client, credential, image };
    let outcome = written_down(gate, &asked, &trace, outcome).await?;
    let mut response = Response::new(Body::from(outcome.bytes.clone()));
    let kind = HeaderValue::from_str(&outcome.media_type);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(outcome.bytes.len()));
    named(&mut response, &outcome.digest);
    Ok(response)
}

/// Who asks for what.
struct Question<'a> {
    id: &'a str,
    client: SocketAddr,
    credential: &'a Credential,
    image: &'a RegistryRef,
}

/// Writes down who got what. What cannot be written down does not come in.
async fn written_down<T>(
    gate: &Gate,
    asked: &Question<'_>,
    trace: &Trace,
    outcome: Result<T, Refusal>,
) -> Result<T, Refusal> {
    let answer = match &outcome {
        Ok(_) if trace.audited => Listed::Audited,
        Ok(_) => Listed::Served,
        Err(refusal) if refusal.status == StatusCode::FORBIDDEN => Listed::Refused,
        Err(refusal) if refusal.is_pending() => Listed::Pending,
        Err(_) => Listed::Failed,
    };
    let listed = answer;
    let answer = listed.word();
    gate.metrics.manifests.get_or_create(&Answer { answer: answer.to_owned() }).inc();
    let judged = trace.judged.as_deref();
    let entry = Entry {
        time: OffsetDateTime::now_utc(),
        request: asked.id,
        door: "registry",
        client: asked.client.to_string(),
        user: asked.credential.user(),
        image: asked.image.to_string(),
        digest: trace.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
        verdict: judged.map(|judged| judged.outcome.word()),
        why: match (&outcome, judged) {
            (Err(refusal), None) => &refusal.message,
            (_, judged) => judged.map_or("", |judged| judged.why.as_str()),
        },
        decision: trace.decision.as_ref(),
        answer,
    };
    if answer != "served" {
        let (image, digest) = (one_line(&entry.image, 300), entry.digest.as_str());
        let why = one_line(entry.why, 300);
        let by = trace.decision.as_ref().map_or("", |decision| decision.by.as_str());
        tracing::warn!(image, digest, verdict = entry.verdict, by = one_line(by, 100), why, "{answer}");
    }
    match gate.audit.write(&entry) {
        Ok(()) => {
            let decision = decision(&entry, listed, trace);
            gate.journal.note(decision).await;
            outcome
        }
        Err(error) => {
            tracing::error!("the audit log cannot be written: {error}");
            Err(Refusal::broken(format!("the audit log cannot be written, so nothing comes in: {error}")))
        }
    }
}

/// The same for the store's list.
pub(crate) fn decision(entry: &Entry<'_>, answer: Listed, trace: &Trace) -> Decision {
    let decided = trace.decision.as_ref();
    Decision {
        time: milliseconds(entry.time),
        door: entry.door.to_owned(),
        client: entry.client.clone(),
        user: entry.user.to_owned(),
        image: entry.image.clone(),
        digest: trace.digest.clone(),
        verdict: entry.verdict.map(str::to_owned),
        why: entry.why.to_owned(),
        policy: decided.map(|decided| decided.by.clone()).unwrap_or_default(),
        author: None,
        reason: decided.and_then(|decided| decided.why.clone()),
        answer,
        request: entry.request.to_owned(),
    }
}

async fn blob(
    gate: &Gate,
    client: SocketAddr,
    credential: &Credential,
    image: &RegistryRef,
    digest: &Digest,
    request: &Parts,
) -> Result<Response<Body>, Refusal> {
    let mut trace = Trace::default();
    let asked = Question { id: request_id(request), client, credential, image };
    if request.method == Method::HEAD {
        // Nothing is fetched for a question about its size.
        let outcome = match gate.trial_blob(image, digest, &mut trace) {
            Some(trial) => trial.map(|served| served.size),
            None => gate.holder(credential, image, digest, &mut trace).await.map(|holder| holder.size),
        };
        let size = match outcome {
            Ok(size) => size,
            refused @ Err(_) => written_down(gate, &asked, &trace, refused).await?,
        };
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        named(&mut response, digest);
        return Ok(response);
    }
    let outcome = match gate.trial_blob(image, digest, &mut trace) {
        Some(trial) => trial,
        None => gate.blob(credential, image, digest, &mut trace).await,
    };
    let served = match outcome {
        Ok(served) => served,
        // A served blob needs no line: its manifest has one.
        refused @ Err(_) => written_down(gate, &asked, &trace, refused).await?,
    };
    let size = served.size;
    let wanted = request.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = match wanted.map(|header| Range::read(header, size)) {
        None => None,
        Some(Ok(range)) => range,
        Some(Err(())) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    let length = range.map_or(size, Range::length);
    gate.metrics.blob_bytes.inc_by(length);
    let mut response = Response::new(Body::from_stream(served.stream(range)));
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {}-{}/{size}", range.first, range.last)) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    named(&mut response, digest);
    Ok(response)
}

fn named(response: &mut Response<Body>, digest: &Digest) {
    if let Ok(value) = HeaderValue::from_str(&digest.to_string()) {
        response.headers_mut().insert("docker-content-digest", value.clone());
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// A list that holds no content, as the registry gives it to this credential.
async fn relay(
    gate: &Gate,
    credential: &Credential,
    image: &RegistryRef,
    path: &str,
    asked: &Uri,
) -> Result<Response<Body>, Refusal> {
    let query = lists::query(asked.query());
    let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let asker = gate.asker(credential, &image.registry);
    let list = asker.client.list(image, &path, gate.settings.budget.document_bytes).await;
    let list = list.map_err(|error| Refusal::upstream(&error))?;
    let mut response = Response::new(Body::from(list.bytes));
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&list.media_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let link = list.link.and_then(|link| lists::next_page(asked, &link));
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        headers.insert(header::LINK, link);
    }
    if let Some(filters) = list.filters.and_then(|filters| HeaderValue::from_str(&filters).ok()) {
        headers.insert("oci-filters-applied", filters);
    }
    Ok(response)
}
