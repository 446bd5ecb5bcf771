//! The port: HTTP/1.1 for whoever connects, patient with people and not with those who only hold a connection.
//!
//! Each connection is a task: its heads are read by hyper, answered by the router, and bounded in bytes and in time. An
//! upgrade takes the bare socket out of it (`hyper_util::server::conn::auto::upgrade::downcast` of a
//! `TokioIo<TcpStream>`, or of the same around a `TlsStream`), and the task ends.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use ringside_model::system_clock;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;
use tracing::{debug, warn};

use crate::tls::{OverTls, Tls};

/// After an accept that failed for want of something, usually file descriptors, so long nobody is let in.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// It is said so often.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How a port speaks, and what a connection may take, in time and bytes.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The certificate, where the port speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Whoever connects has asked something within this time, to the last byte of the head; a TLS handshake has as long
    /// before that; and a body never pauses for longer.
    pub asks_within: Duration,
    /// A connection that was answered is kept for so long until it has asked again. Balancers keep theirs for 60 s, and
    /// they have to be the ones who close: else a question meets a connection that is just being closed.
    pub kept_for: Duration,
    /// Who takes nothing of what it is sent for so long is gone.
    pub takes_within: Duration,
    /// A head is read up to this size, at least 8 KiB; a longer one is answered with 431.
    pub head_bytes: usize,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            tls: None,
            asks_within: Duration::from_secs(10),
            kept_for: Duration::from_secs(75),
            takes_within: Duration::from_secs(30),
            head_bytes: 32 << 10,
        }
    }
}

/// Serves until `shutdown`, and then until the last answer is given.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    serve_with(ServeSettings::default(), listener, router, shutdown).await;
}

/// The same with other bounds.
pub async fn serve_with(settings: ServeSettings, listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    // Half-open connections are not kept: who closes a stream or a held poll is gone, and what it holds is freed at once.
    http.http1().timer(TokioTimer::new()).header_read_timeout(settings.kept_for).max_buf_size(settings.head_bytes);
    let (http, settings) = (Arc::new(http), Arc::new(settings));
    let tls = settings.tls.clone().map(|tls| tokio::spawn(tls.keep(system_clock(), shutdown.child_token())));
    let connections = TaskTracker::new();
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = next(|| listener.accept(), &mut trouble) => accepted,
        };
        let (socket, peer) = accepted;
        let (http, settings, router, shutdown) = (http.clone(), settings.clone(), router.clone(), shutdown.clone());
        connections.spawn(async move {
            prepare(&socket, &settings);
            let talk = Talk { http: &http, settings: &settings, router, peer, shutdown: &shutdown };
            match &settings.tls {
                None => talk.run(socket).await,
                Some(tls) => {
                    let handshake = timeout(settings.asks_within, tls.accept(socket));
                    if let Some(Ok(Some(stream))) = shutdown.run_until_cancelled(handshake).await {
                        talk.run(stream).await;
                    }
                }
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    if let Some(tls) = tls {
        // It ends with `shutdown`, unless it panicked, which the log has.
        let _ = tls.await;
    }
}

/// Sets what a socket needs before anything is said.
fn prepare(socket: &TcpStream, settings: &ServeSettings) {
    // Without it a small frame may wait 40 ms for the one before it to be acknowledged.
    if let Err(reason) = socket.set_nodelay(true) {
        debug!(%reason, "could not turn off Nagle's algorithm on a connection");
    }
    // Who takes nothing for so long, or does not even acknowledge it, is gone. Streams have no other clock while they wait.
    if let Err(reason) = SockRef::from(socket).set_tcp_user_timeout(Some(settings.takes_within)) {
        debug!(%reason, "could not bound how long a connection may take nothing");
    }
}

/// One connection, until it ends or becomes something else.
struct Talk<'a> {
    http: &'a Builder<TokioExecutor>,
    settings: &'a ServeSettings,
    router: Router,
    peer: SocketAddr,
    shutdown: &'a CancellationToken,
}

impl Talk<'_> {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let has_asked = AtomicBool::new(false);
        let answer = service_fn(|request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            let mut request = request.map(|body| Body::new(TimeoutBody::new(self.settings.asks_within, body)));
            request.extensions_mut().insert(ConnectInfo(self.peer));
            if self.settings.tls.is_some() {
                request.extensions_mut().insert(OverTls);
            }
            self.router.clone().oneshot(request)
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), answer));
        let mut patience = pin!(tokio::time::sleep(self.settings.asks_within));
        let (mut waits, mut leaves) = (true, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(reason) = ended {
                        debug!(reason, "a connection ended in the middle of something");
                    }
                    return;
                }
                () = patience.as_mut(), if waits => {
                    // The library has one clock for every head, and a connection that is kept is given more time.
                    if !has_asked.load(Ordering::Relaxed) {
                        return;
                    }
                    waits = false;
                }
                () = self.shutdown.cancelled(), if !leaves => {
                    connection.as_mut().graceful_shutdown();
                    leaves = true;
                }
            }
        }
    }
}

/// The next who comes, however long that takes.
async fn next<T, Accepting>(accept: impl Fn() -> Accepting, trouble: &mut Trouble) -> T
where
    Accepting: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            // That one left before its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
                ) => {}
            Err(reason) => {
                if let Some(times) = trouble.say(Instant::now()) {
                    warn!(%reason, times, "nobody can be let in; it is tried again, and again");
                }
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

/// What went wrong at the port, told once in a while.
#[derive(Debug, Default)]
struct Trouble {
    said: Option<Instant>,
    times: u32,
}

impl Trouble {
    /// Counts once more; says how often since it was last told, where it is time to tell.
    fn say(&mut self, now: Instant) -> Option<u32> {
        self.times += 1;
        if self.said.is_some_and(|said| now < said + SAY_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;

    use axum::response::IntoResponse;
    use axum::routing::get;
    use http::{StatusCode, header};
    use hyper_util::server::conn::auto::upgrade::downcast;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    async fn start(router: Router, shutdown: CancellationToken) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, router, shutdown)))
    }

    #[tokio::test]
    async fn an_upgrade_gives_the_bare_socket_and_what_was_read_of_it() {
        async fn shout(request: axum::extract::Request) -> impl IntoResponse {
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(request).await.unwrap();
                let parts = downcast::<TokioIo<TcpStream>>(upgraded).unwrap();
                let mut socket: TcpStream = parts.io.into_inner();
                let mut text = parts.read_buf.to_vec();
                socket.read_to_end(&mut text).await.unwrap();
                text.make_ascii_uppercase();
                socket.write_all(&text).await.unwrap();
            });
            (StatusCode::SWITCHING_PROTOCOLS, [(header::CONNECTION, "upgrade"), (header::UPGRADE, "shouting")])
        }
        let shutdown = CancellationToken::new();
        let (address, server) = start(Router::new().route("/", get(shout)), shutdown.clone()).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: shouting\r\n\r\nhear ";
        socket.write_all(request).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        // What has become something else is not HTTP's any more, and no stop of the server waits for it.
        shutdown.cancel();
        server.await.unwrap();
        socket.write_all(b"me").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "HEAR ME");
    }

    #[tokio::test]
    async fn a_stop_waits_for_slow_answers_and_for_nobody_else() {
        let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (asked, go_on) = (asked.clone(), go_on.clone());
            async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
                asked.notify_one();
                go_on.notified().await;
                peer.to_string()
            }
        };
        let shutdown = CancellationToken::new();
        let (address, server) = start(Router::new().route("/", get(slow)), shutdown.clone()).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        asked.notified().await;
        shutdown.cancel();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "who has not asked anything is not waited for");
        assert!(!server.is_finished());
        go_on.notify_one();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        let peer = slow.local_addr().unwrap().to_string();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&peer), "{answer}");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_not_be_let_in_is_tried_again_and_that_is_told_once_a_second() {
        let tries = Cell::new(0_u32);
        let began = Instant::now();
        let mut trouble = Trouble::default();
        let accept = || {
            tries.set(tries.get() + 1);
            let n = tries.get();
            async move {
                match n {
                    1..=99 => Err(io::Error::from_raw_os_error(24)), // EMFILE
                    100 => Err(ErrorKind::ConnectionAborted.into()),
                    n => Ok(n),
                }
            }
        };
        assert_eq!(next(accept, &mut trouble).await, 101);
        assert_eq!(began.elapsed(), ACCEPT_AGAIN_AFTER * 99, "neither at once nor for ever");
        let mut trouble = Trouble::default();
        let told: Vec<u32> = (0..50).filter_map(|n| trouble.say(began + ACCEPT_AGAIN_AFTER * n)).collect();
        assert_eq!(told, [1, 20, 20]);
    }

    #[tokio::test]
    async fn a_body_that_pauses_is_not_waited_for() {
        let seen = Arc::new(Mutex::new(None));
        let taken = seen.clone();
        let take = async move |body: Result<bytes::Bytes, axum::extract::rejection::BytesRejection>| {
            *taken.lock().unwrap() = Some(body.is_ok());
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let settings = ServeSettings { asks_within: Duration::from_millis(100), ..ServeSettings::default() };
        let router = Router::new().route("/", axum::routing::post(take));
        tokio::spawn(serve_with(settings, listener, router, CancellationToken::new()));
        socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhal").await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!((&answer, *seen.lock().unwrap()), (b"HTTP/1.1 200", Some(false)));
    }
}
