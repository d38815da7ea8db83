//! The gate as the HTTPS proxy of an engine: what the engine asks of a registry under its own name,
//! the gate answers. There is no way round: every other host is refused.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::gate::Gate;
use crate::http::{Site, protocol, router};
use crate::listen::{Connection, Limits, Manners, Protocol, take_in};

/// The registry under whose name the gate was asked.
#[derive(Debug, Clone)]
pub(crate) struct Origin(pub String);

/// The host name under which a registry is asked, without a port.
pub fn host_name(registry: &str) -> &str {
    let host = lazaret_registry::host_of(registry);
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// Serves as a proxy until `stop` ends.
pub async fn serve_proxy(
    gate: Arc<Gate>,
    authority: Arc<Authority>,
    listener: TcpListener,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let proxy =
        Proxy { site: Site::new(router(Arc::clone(&gate)), Arc::clone(&gate.requests)), gate, authority };
    take_in(listener, limits, stop, |connection| proxy.clone().connection(connection)).await;
}

#[derive(Clone)]
struct Proxy {
    site: Site,
    gate: Arc<Gate>,
    authority: Arc<Authority>,
}

impl Proxy {
    async fn connection(self, connection: Connection) {
        let Connection { stream, client, manners } = connection;
        // The tunnel is the same connection, under the same limits.
        let within = manners.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let response = self.connect(request, client, within.clone());
            async move { Ok::<_, Infallible>(response) }
        });
        manners.speak(stream, Protocol::Http1, answer).await;
    }

    /// `CONNECT HOST:443` (RFC 9110, 9.3.6).
    fn connect(&self, request: Request<Incoming>, client: SocketAddr, manners: Manners) -> Response<Body> {
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
            self.gate.upstreams.names().iter().find(named).filter(|_| matches!(port, Some(443) | None))
        });
        let (Some((host, _)), Some(registry)) = (target, registry) else {
            let asked = lazaret_model::one_line(&request.uri().to_string(), 200);
            let text = format!("lazaret: {asked} is none of the registries that this gate stands before\n");
            tracing::warn!(%client, "{}", text.trim_end());
            return refuse(StatusCode::FORBIDDEN, text);
        };
        let Ok(config) = self.authority.server(&host) else {
            let text = format!(
                "lazaret: the gate's authority does not name {host}: run `lazaret gate init` again\n"
            );
            return refuse(StatusCode::FORBIDDEN, text);
        };
        let (origin, site) = (Origin(registry.clone()), self.site.clone());
        tokio::spawn(async move {
            let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
            let accept = TlsAcceptor::from(config).accept(TokioIo::new(upgraded));
            let Ok(Ok(stream)) = tokio::time::timeout(manners.limits.handshake, accept).await else { return };
            let protocol = protocol(stream.get_ref().1.alpn_protocol());
            let answer = service_fn(move |request| {
                let (site, origin) = (site.clone(), origin.clone());
                async move { Ok::<_, Infallible>(site.answer(request, client, Some(origin), true).await) }
            });
            manners.speak(stream, protocol, answer).await;
        });
        Response::new(Body::empty())
    }
}
