//! A TCP proxy that misbehaves when told to.
//!
//! Each connection has two pumps, one a direction: what is read gets a time stamp, waits out the delay, the hold and the
//! throttle that are set at that moment, and is written on. Heal undoes everything but cuts, which ended their connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Pieces that wait in one direction of one connection, of at most [`PIECE_BYTES`].
const PIECES_WAITING: usize = 64;
const PIECE_BYTES: usize = 16 << 10;

/// What the proxy does to what goes through it.
#[derive(Debug, Clone, Default)]
struct Weather {
    refuse: bool,
    hold_requests: bool,
    hold_answers: bool,
    delay: Duration,
    bytes_per_second: Option<u64>,
    /// Connections of earlier cuts end.
    cut: u64,
}

struct Inner {
    target: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Bytes until the next cut; without a limit far above what is ever sent.
    bytes_left: AtomicI64,
    connections: AtomicU64,
}

/// A proxy in front of one address, on a port of its own; gone when dropped. Runs on the runtime it was started on.
pub struct FaultProxy {
    port: u16,
    inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Direction {
    Requests,
    Answers,
}

impl FaultProxy {
    /// Starts one in front of `target`, such as `127.0.0.1:6379`. Nobody need listen there yet.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for a proxy")?;
        let port = listener.local_addr()?.port();
        let inner = Arc::new(Inner {
            target,
            weather: watch::Sender::new(Weather::default()),
            bytes_left: AtomicI64::new(i64::MAX),
            connections: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, inner.clone()));
        Ok(Self { port, inner, listening })
    }

    /// Starts one in front of a port of 127.0.0.1.
    pub async fn to_port(port: u16) -> anyhow::Result<Self> {
        Self::start((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port/`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// How many connections were made through it so far.
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Ends all connections with a reset; new ones are welcome.
    pub fn cut(&self) {
        self.change(|weather| weather.cut += 1);
    }

    /// Ends all connections and every new one at once, until healed.
    pub fn refuse(&self) {
        self.change(|weather| {
            weather.refuse = true;
            weather.cut += 1;
        });
    }

    /// Takes bytes and delivers none, in both directions, until healed: a half-open connection.
    pub fn pause(&self) {
        self.change(|weather| {
            weather.hold_requests = true;
            weather.hold_answers = true;
        });
    }

    /// Delivers requests and holds the answers, until healed. With a cut after it: done, and nobody knows.
    pub fn hold_answers(&self) {
        self.change(|weather| weather.hold_answers = true);
    }

    /// Delivers everything so much later.
    pub fn delay(&self, delay: Duration) {
        self.change(|weather| weather.delay = delay);
    }

    /// Delivers no more than so many bytes a second, each direction of each connection.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.change(|weather| weather.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Ends all connections, in the middle of whatever it is, once so many bytes more have gone through.
    pub fn cut_after(&self, bytes: u64) {
        self.inner.bytes_left.store(bytes as i64, Ordering::Relaxed);
    }

    /// Undoes all of it; what was held is delivered.
    pub fn heal(&self) {
        self.inner.bytes_left.store(i64::MAX, Ordering::Relaxed);
        self.change(|weather| *weather = Weather { cut: weather.cut, ..Weather::default() });
    }

    fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.inner.weather.send_modify(change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.refuse();
    }
}

async fn listen(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((client, _)) = listener.accept().await {
        let weather = inner.weather.subscribe();
        if weather.borrow().refuse {
            reset(&client);
            continue;
        }
        tokio::spawn(relay(client, inner.clone(), weather));
    }
}

async fn relay(client: TcpStream, inner: Arc<Inner>, mut weather: watch::Receiver<Weather>) {
    let born_at_cut = weather.borrow_and_update().cut;
    inner.connections.fetch_add(1, Ordering::Relaxed);
    let Ok(server) = TcpStream::connect(inner.target).await else { return reset(&client) };
    for stream in [&client, &server] {
        // Where it can't be set, answers come a little later.
        let _ = stream.set_nodelay(true);
    }
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let both = async {
        tokio::select! {
            ends = pump(client_in, server_out, &inner, Direction::Requests) => (ends, None),
            ends = pump(server_in, client_out, &inner, Direction::Answers) => (None, ends),
        }
    };
    tokio::select! {
        _ = both => {}
        _ = weather.wait_for(|weather| weather.cut != born_at_cut) => {}
    }
}

/// Moves bytes one way until one side ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    inner: &Inner,
    direction: Direction,
) -> Option<std::io::Error> {
    let (pieces, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_WAITING);
    let read = async move {
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            match from.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(size) => piece.truncate(size),
            }
            if pieces.send((Instant::now(), piece)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        let mut weather = inner.weather.subscribe();
        while let Some((read_at, piece)) = waiting.recv().await {
            let now = weather.borrow_and_update().clone();
            if !now.delay.is_zero() {
                sleep_until(read_at + now.delay).await;
            }
            if let Some(rate) = now.bytes_per_second {
                tokio::time::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64)).await;
            }
            let held = |weather: &Weather| match direction {
                Direction::Requests => weather.hold_requests,
                Direction::Answers => weather.hold_answers,
            };
            // The sender lives in `inner`, so there is always a weather.
            let _ = weather.wait_for(|weather| !held(weather)).await;
            let left = inner.bytes_left.fetch_sub(piece.len() as i64, Ordering::Relaxed);
            let deliver = piece.len().min(left.max(0) as usize);
            to.write_all(&piece[..deliver]).await?;
            if deliver < piece.len() {
                inner.bytes_left.store(i64::MAX, Ordering::Relaxed);
                inner.weather.send_modify(|weather| weather.cut += 1);
            }
        }
        Ok(())
    };
    let (_, written) = tokio::join!(read, write);
    written.err()
}

/// Ends it with a reset instead of a goodbye.
fn reset(stream: &TcpStream) {
    // It may be gone already.
    let _ = stream.set_zero_linger();
}
