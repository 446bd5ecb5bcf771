//! A TCP proxy that injects faults.
//!
//! Each connection has two pumps, one per direction. A chunk is stamped with the time of its reading, waits for the
//! delay, the hold and the throttle that are set, and is written. [`FaultProxy::heal`] ends all faults; cut
//! connections stay cut.

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

/// The chunks waiting in one direction of a connection.
const CHUNKS_WAITING: usize = 64;
const CHUNK_BYTES: usize = 16 << 10;

/// The faults that are set.
#[derive(Debug, Clone, Default)]
struct Faults {
    refuse: bool,
    hold_requests: bool,
    hold_replies: bool,
    delay: Duration,
    bytes_per_second: Option<u64>,
    /// Counts the cuts. A connection ends when this differs from its beginning.
    cut: u64,
}

struct Inner {
    target: SocketAddr,
    faults: watch::Sender<Faults>,
    /// Bytes until the next cut; without one far more than is ever sent.
    bytes_left: AtomicI64,
    connections: AtomicU64,
}

/// A proxy in front of an address, on its own port.
///
/// Runs on the current runtime and ends when dropped.
pub struct FaultProxy {
    port: u16,
    inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Direction {
    Requests,
    Replies,
}

impl FaultProxy {
    /// Starts a proxy in front of `target`, which need not listen yet.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for a proxy")?;
        let port = listener.local_addr()?.port();
        let inner = Arc::new(Inner {
            target,
            faults: watch::Sender::new(Faults::default()),
            bytes_left: AtomicI64::new(i64::MAX),
            connections: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, inner.clone()));
        Ok(Self { port, inner, listening })
    }

    /// Starts a proxy in front of a port of 127.0.0.1.
    pub async fn to_port(port: u16) -> anyhow::Result<Self> {
        Self::start((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `redis://127.0.0.1:port/`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Returns the number of connections made so far.
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Resets all connections; new ones are accepted.
    pub fn cut(&self) {
        self.change(|faults| faults.cut += 1);
    }

    /// Resets all connections, and each new one, until healed.
    pub fn refuse(&self) {
        self.change(|faults| {
            faults.refuse = true;
            faults.cut += 1;
        });
    }

    /// Reads and delivers nothing until healed, like a half-open connection.
    pub fn pause(&self) {
        self.change(|faults| {
            faults.hold_requests = true;
            faults.hold_replies = true;
        });
    }

    /// Delivers requests and holds the replies until healed.
    ///
    /// A cut after it loses the replies of executed requests.
    pub fn hold_replies(&self) {
        self.change(|faults| faults.hold_replies = true);
    }

    /// Delays each delivery.
    pub fn delay(&self, delay: Duration) {
        self.change(|faults| faults.delay = delay);
    }

    /// Limits each direction of each connection to a rate.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.change(|faults| faults.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Resets all connections after `bytes` more, in the middle of any message.
    pub fn cut_after(&self, bytes: u64) {
        self.inner.bytes_left.store(bytes as i64, Ordering::Relaxed);
    }

    /// Ends all faults and delivers the held bytes.
    pub fn heal(&self) {
        self.inner.bytes_left.store(i64::MAX, Ordering::Relaxed);
        self.change(|faults| *faults = Faults { cut: faults.cut, ..Faults::default() });
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.inner.faults.send_modify(change);
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
        let faults = inner.faults.subscribe();
        if faults.borrow().refuse {
            reset(&client);
            continue;
        }
        tokio::spawn(relay(client, inner.clone(), faults));
    }
}

async fn relay(client: TcpStream, inner: Arc<Inner>, mut faults: watch::Receiver<Faults>) {
    let born_at_cut = faults.borrow_and_update().cut;
    inner.connections.fetch_add(1, Ordering::Relaxed);
    let Ok(server) = TcpStream::connect(inner.target).await else { return reset(&client) };
    for stream in [&client, &server] {
        // Without it replies only come a little later.
        let _ = stream.set_nodelay(true);
    }
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let both = async {
        tokio::select! {
            ends = pump(client_in, server_out, &inner, Direction::Requests) => (ends, None),
            ends = pump(server_in, client_out, &inner, Direction::Replies) => (None, ends),
        }
    };
    tokio::select! {
        _ = both => {}
        _ = faults.wait_for(|faults| faults.cut != born_at_cut) => {}
    }
}

/// Moves bytes in one direction until one side ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    inner: &Inner,
    direction: Direction,
) -> Option<std::io::Error> {
    let (chunks, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_WAITING);
    let read = async move {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(size) => chunk.truncate(size),
            }
            if chunks.send((Instant::now(), chunk)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        let mut faults = inner.faults.subscribe();
        while let Some((read_at, chunk)) = waiting.recv().await {
            let now = faults.borrow_and_update().clone();
            if !now.delay.is_zero() {
                sleep_until(read_at + now.delay).await;
            }
            if let Some(rate) = now.bytes_per_second {
                tokio::time::sleep(Duration::from_secs_f64(chunk.len() as f64 / rate as f64)).await;
            }
            let held = |faults: &Faults| match direction {
                Direction::Requests => faults.hold_requests,
                Direction::Replies => faults.hold_replies,
            };
            // The sender lives in `inner`, so the wait can't fail.
            let _ = faults.wait_for(|faults| !held(faults)).await;
            let left = inner.bytes_left.fetch_sub(chunk.len() as i64, Ordering::Relaxed);
            let deliver = chunk.len().min(left.max(0) as usize);
            to.write_all(&chunk[..deliver]).await?;
            if deliver < chunk.len() {
                inner.bytes_left.store(i64::MAX, Ordering::Relaxed);
                inner.faults.send_modify(|faults| faults.cut += 1);
            }
        }
        Ok(())
    };
    let (_, written) = tokio::join!(read, write);
    written.err()
}

/// Makes closing the stream send a reset.
fn reset(stream: &TcpStream) {
    // An error means that it is closed already.
    let _ = stream.set_zero_linger();
}
