//! The gate as the HTTPS proxy of an engine: what the engine asks of a registry under its own name,
//! the gate answers. There is no way round: every other host is refused.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::authority::Authority;
use crate::gate::Gate;
use crate::http::router;

/// Longest wait for a client to begin its TLS.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// The registry under whose name the gate was asked.
#[derive(Debug, Clone)]
pub(crate) struct Origin(pub String);

/// The host name under which a registry is asked, without a port.
pub fn host_name(registry: &str) -> &str {
    let host = lazaret_registry::host_of(registry);
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// Serves as a proxy until `stop` ends.
///
/// # Errors
/// The socket fails.
pub async fn serve_proxy(
    gate: Arc<Gate>,
    authority: Arc<Authority>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let app = router(Arc::clone(&gate));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return Ok(()),
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of descriptors: the others go on.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (app, gate, authority) = (app.clone(), Arc::clone(&gate), Arc::clone(&authority));
        tokio::spawn(async move { proxy(stream, client, app, gate, authority).await });
    }
}

async fn proxy(
    stream: TcpStream,
    client: SocketAddr,
    app: Router,
    gate: Arc<Gate>,
    authority: Arc<Authority>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (app, gate, authority) = (app.clone(), Arc::clone(&gate), Arc::clone(&authority));
        async move { Ok::<_, Infallible>(connect(request, client, app, &gate, authority)) }
    });
    // What goes wrong on one connection concerns that client alone.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades()
        .await;
}

/// `CONNECT HOST:443` (RFC 9110, 9.3.6).
fn connect(
    request: Request<Incoming>,
    client: SocketAddr,
    app: Router,
    gate: &Gate,
    authority: Arc<Authority>,
) -> Response<Body> {
    let refuse = |status: StatusCode, text: String| {
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response
    };
    if *request.method() != Method::CONNECT {
        let text = "this proxy answers CONNECT alone: registries are spoken to over TLS\n";
        return refuse(StatusCode::METHOD_NOT_ALLOWED, text.to_owned());
    }
    let target = request.uri().authority().map(|target| (target.host().to_owned(), target.port_u16()));
    let registry = target.as_ref().and_then(|(host, port)| {
        let named = |name: &&String| host_name(name) == host;
        gate.upstreams.names().iter().find(named).filter(|_| matches!(port, Some(443) | None))
    });
    let (Some((host, _)), Some(registry)) = (target, registry) else {
        let asked = lazaret_model::one_line(&request.uri().to_string(), 200);
        let text = format!("lazaret: {asked} is none of the registries that this gate stands before\n");
        return refuse(StatusCode::FORBIDDEN, text);
    };
    let Ok(config) = authority.server(&host) else {
        let text =
            format!("lazaret: the gate's authority does not name {host}: run `lazaret gate init` again\n");
        return refuse(StatusCode::FORBIDDEN, text);
    };
    let origin = Origin(registry.clone());
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let accept = TlsAcceptor::from(config).accept(TokioIo::new(upgraded));
        if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, accept).await {
            speak(stream, client, app, origin).await;
        }
    });
    Response::new(Body::empty())
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: SocketAddr,
    app: Router,
    origin: Origin,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(origin.clone());
        app.clone().oneshot(request)
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
}
