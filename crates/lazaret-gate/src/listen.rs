//! Connections: taken in, bounded, spoken with and brought to their end, the same way for plain
//! HTTP, TLS and the proxy.
//!
//! Whoever connects is a stranger. A head has a longest size and a longest time, an answer that is
//! not read ends the connection, and one address holds no more than half of all connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};

use crate::judge::lock;

/// What a stranger may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones wait to be taken in. Half of them for one address.
    pub connections: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes: usize,
    /// Time for the whole of a request's head, and for a connection on which nothing is asked.
    pub head_time: Duration,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time within which a client that makes an answer wait must take [`LEAST`] bytes of it.
    pub stall: Duration,
    /// Time for what is under way when the gate is told to end.
    pub farewell: Duration,
}

/// Bytes that a slow client must take within [`Limits::stall`].
pub const LEAST: usize = 8 << 10;

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 128;
/// Bytes of answers that one HTTP/1 connection, or one HTTP/2 stream, may hold back in memory.
const HELD_BACK: usize = 128 << 10;
/// How often an HTTP/2 client that says nothing is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_bytes: 32 << 10,
            head_time: Duration::from_secs(20),
            handshake: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            farewell: Duration::from_secs(30),
        }
    }
}

/// What a connection is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// One connection that was taken in.
pub(crate) struct Connection {
    pub(crate) stream: Patient,
    pub(crate) client: SocketAddr,
    pub(crate) manners: Manners,
}

/// How a connection is to be treated, for as long as it lasts.
#[derive(Clone)]
pub(crate) struct Manners {
    pub(crate) limits: Arc<Limits>,
    stopping: watch::Receiver<bool>,
    _seat: Arc<Seat>,
}

/// The connections that there may be.
struct Seats {
    all: Arc<Semaphore>,
    taken: Mutex<HashMap<IpAddr, usize>>,
    share: usize,
}

/// A place among them. It is given back when the last who holds it lets go.
struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    fn take(self: &Arc<Self>, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        let held = taken.entry(address).or_default();
        if *held >= self.share {
            return None;
        }
        *held += 1;
        Some(Seat { seats: Arc::clone(self), address, _permit: permit })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.seats.taken);
        if let Some(held) = taken.get_mut(&self.address) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Takes connections in until `stop` ends, each with a task of its own; then lets what is under way
/// come to its end, for a while.
pub(crate) async fn take_in<F>(
    listener: TcpListener,
    limits: Limits,
    stop: impl Future<Output = ()>,
    begin: impl Fn(Connection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let limits = Arc::new(limits);
    let places = limits.connections.clamp(2, Semaphore::MAX_PERMITS);
    let all = Arc::new(Semaphore::new(places));
    let seats = Arc::new(Seats { all: Arc::clone(&all), taken: Mutex::default(), share: places / 2 });
    let (tell, stopping) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&seats.all).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let (Ok(permit), Ok((stream, client))) = (permit, accepted) else {
            // Out of descriptors: the others go on.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(seat) = seats.take(permit, client.ip()) else {
            tracing::warn!(%client, "turned away: this address holds its share of all connections");
            continue;
        };
        // Answers are small or large, and never wait for more to be said.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, limits.stall);
        let manners =
            Manners { limits: Arc::clone(&limits), stopping: stopping.clone(), _seat: Arc::new(seat) };
        tokio::spawn(begin(Connection { stream, client, manners }));
    }
    drop(listener);
    let _ = tell.send(true);
    let everybody = u32::try_from(places).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits.farewell, all.acquire_many(everybody)).await;
}

impl Manners {
    async fn told_to_stop(&mut self) {
        // A sender that is gone means the same.
        let _ = self.stopping.wait_for(|stop| *stop).await;
    }

    /// Speaks on a connection until either side ends it.
    pub(crate) async fn speak<S, A>(mut self, stream: S, protocol: Protocol, answer: A)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
        A::Future: Send + 'static,
    {
        let stream = TokioIo::new(stream);
        let limits = Arc::clone(&self.limits);
        // What goes wrong on one connection concerns that client alone.
        match protocol {
            Protocol::Http1 => {
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.head_time)
                    .max_header_size(limits.head_bytes)
                    .max_buf_size(HELD_BACK.max(limits.head_bytes))
                    .serve_connection(stream, answer)
                    .with_upgrades();
                let mut connection = pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = self.told_to_stop() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            }
            Protocol::Http2 => {
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PING)
                    .keep_alive_timeout(limits.head_time)
                    .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
                    .max_concurrent_streams(STREAMS)
                    .max_send_buf_size(HELD_BACK)
                    .serve_connection(stream, answer);
                let mut connection = pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = self.told_to_stop() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            }
        }
    }
}

/// A stream to a client whose patience with a client that does not take what it asked for ends.
pub(crate) struct Patient {
    stream: TcpStream,
    stall: Duration,
    /// Since a write had to wait: until when, and what was taken meanwhile.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Patient {
    fn new(stream: TcpStream, stall: Duration) -> Self {
        Self { stream, stall, waiting: None }
    }

    /// After a write that had to wait: whether the client takes too little.
    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stall = self.stall;
        let (until, taken) = self.waiting.get_or_insert_with(|| (Box::pin(tokio::time::sleep(stall)), 0));
        loop {
            ready!(until.as_mut().poll(cx));
            if *taken < LEAST {
                let reason = "the client takes its answer too slowly";
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            *taken = 0;
            until.as_mut().reset(Instant::now() + stall);
        }
    }

    /// After a write that went through.
    fn took(&mut self, bytes: usize) {
        if let Some((until, taken)) = &mut self.waiting {
            *taken += bytes;
            // The next wait begins with a time of its own.
            if *taken >= LEAST || until.is_elapsed() {
                self.waiting = None;
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => self.waited(cx).map(Err),
            Poll::Ready(written) => {
                self.took(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bytes) {
            Poll::Pending => self.waited(cx).map(Err),
            Poll::Ready(written) => {
                self.took(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    /// A server that answers everything with ten megabytes.
    async fn server(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stop = async move { drop(stopped.await) };
            take_in(listener, limits, stop, |connection| async move {
                let answer = service_fn(|_| async { Ok(Response::new(Body::from(vec![7; 10 << 20]))) });
                connection.manners.speak(connection.stream, Protocol::Http1, answer).await;
            })
            .await;
        });
        (address, stop, serving)
    }

    fn quick() -> Limits {
        let short = Duration::from_millis(300);
        Limits { connections: 4, head_time: short, stall: short, farewell: short, ..Limits::default() }
    }

    /// Reads until the server ends the connection, or for so long that it surely should have.
    async fn rest(stream: &mut TcpStream) -> Vec<u8> {
        let mut said = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
        assert!(read.is_ok(), "the server holds on to the connection");
        said
    }

    #[tokio::test]
    async fn a_client_that_sends_its_head_byte_by_byte_is_sent_away() {
        let (address, _stop, _serving) = server(quick()).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        for byte in b"GET / HTT" {
            slow.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        rest(&mut slow).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(rest(&mut silent).await.is_empty());
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (address, _stop, _serving) = server(quick()).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nfill: {}\r\n\r\n", "x".repeat(40 << 10));
        let _ = client.write_all(head.as_bytes()).await;
        let said = rest(&mut client).await;
        assert!(said.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&said));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_ends_the_connection_and_one_address_cannot_take_all() {
        let (address, _stop, _serving) = server(quick()).await;
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut idle = Vec::new();
        for _ in 0..2 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(ask).await.unwrap();
            idle.push(client);
        }
        // Until the server holds both.
        for client in &mut idle {
            client.read_exact(&mut [0; 100]).await.unwrap();
        }
        let mut third = TcpStream::connect(address).await.unwrap();
        assert!(rest(&mut third).await.is_empty(), "two of four are held by this address");
        // Nobody reads what they asked for: their places become free.
        let begun = Instant::now();
        loop {
            let mut client = TcpStream::connect(address).await.unwrap();
            let _ = client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            if rest(&mut client).await.len() > 10 << 20 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn when_told_to_stop_it_ends_what_is_under_way_and_no_connection_keeps_it() {
        let (address, stop, serving) = server(quick()).await;
        let mut held = TcpStream::connect(address).await.unwrap();
        held.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        held.read_exact(&mut [0; 100]).await.unwrap();
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
