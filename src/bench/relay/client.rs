//! One load client: connects, watches its room through its door, and counts what comes.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::frame::{Sight, look};
use super::tally::{Run, Tally};
use super::wire::{Answer, Cut, Item, Reader, answer, head, message, polled};

/// A client that is not connected by then counts as refused.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// What a slow client reads in a second, and what its system keeps for it meanwhile.
const SLOW_BYTES_PER_S: usize = 1 << 10;
const SLOW_BUFFER_BYTES: u32 = 4 << 10;
/// A poll waits for news so long, in seconds.
const POLL_WAIT_S: u64 = 25;

/// Through which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Transport {
    Ws,
    Sse,
    Poll,
}

/// What all clients share.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    /// The `Host` of requests.
    pub(super) host: String,
    pub(super) token: String,
    pub(super) transport: Transport,
    pub(super) run: Run,
    /// Cancelled when all has come that will.
    pub(super) stop: CancellationToken,
}

/// How a connect went: how long it took to be let in, and to have the room's beginning; or why not.
pub(super) type Connected = Result<(Duration, Duration), String>;

/// What became of a client.
pub(super) struct Outcome {
    pub(super) room: u16,
    pub(super) slow: bool,
    pub(super) tally: Tally,
    /// False where it was never let in.
    pub(super) was_there: bool,
    /// Why it ended before the run did.
    pub(super) ended: Option<String>,
}

/// A client's place in the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    pub(super) number: usize,
    pub(super) room: u16,
    pub(super) slow: bool,
}

/// Runs a client to the end of the run, or to its own. Tells `connected` once.
pub(super) async fn run(site: Arc<Site>, seat: Seat, connected: mpsc::UnboundedSender<Connected>) -> Outcome {
    let mut client = Client { site: &site, seat, tally: Tally::default(), fresh: Vec::new(), is_there: false };
    let ended = match client.connect(&connected).await {
        Ok(()) => None,
        Err(reason) => Some(format!("{reason:#}")),
    };
    Outcome { room: seat.room, slow: seat.slow, was_there: client.is_there, tally: client.tally, ended }
}

struct Client<'a> {
    site: &'a Site,
    seat: Seat,
    tally: Tally,
    /// When the frames of one read were posted.
    fresh: Vec<u64>,
    is_there: bool,
}

/// What a read asks of its client.
#[derive(Default)]
struct QueryParams {
    pongs: Vec<u8>,
    close: Option<u16>,
    error: Option<String>,
}

impl Client<'_> {
    /// Connects and serves; any end but the run's is an error.
    async fn connect(&mut self, connected: &mpsc::UnboundedSender<Connected>) -> anyhow::Result<()> {
        let began = Instant::now();
        let tell = |outcome| {
            // Nobody asks any more: the run has been given up.
            let _ = connected.send(outcome);
        };
        let opened = tokio::time::timeout(CONNECT_WITHIN, self.open()).await;
        let (mut stream, rest) = match opened.unwrap_or_else(|_| Err(anyhow!("no answer within {CONNECT_WITHIN:?}"))) {
            Ok(opened) => opened,
            Err(reason) => {
                tell(Err(format!("{reason:#}")));
                return Err(reason);
            }
        };
        let let_in = began.elapsed();
        let mut there = Some(move || tell(Ok((let_in, began.elapsed()))));
        let served = match self.site.transport {
            Transport::Poll => self.poll(&mut stream, &mut there).await,
            Transport::Ws => self.follow(&mut stream, Reader::new(Cut::WebSocket), &rest, &mut there).await,
            Transport::Sse => self.follow(&mut stream, Reader::new(Cut::Events), &rest, &mut there).await,
        };
        if there.is_some() {
            let _ = connected.send(Err(format!("{:#}", served.as_ref().err().unwrap_or(&anyhow!("it never began")))));
        }
        served
    }

    /// A connection that was let in, and what came behind the answer's head already.
    async fn open(&self) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        let Site { address, host, token, transport, .. } = self.site;
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if self.seat.slow {
            socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
        }
        let mut stream = socket.connect(*address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (path, more) = match transport {
            // A poll's first question is asked when it begins to ask.
            Transport::Poll => return Ok((stream, Vec::new())),
            Transport::Sse => (format!("/events?rooms=bench:{}", self.seat.room), "Accept: text/event-stream"),
            Transport::Ws => (
                "/ws".to_owned(),
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmluZ3NpZGUtYmVuY2gtcg==",
            ),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: ringside={token}\r\n{more}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(head) = head(&bytes)? {
                break head;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                bail!("closed instead of an answer");
            }
        };
        let expected = if *transport == Transport::Ws { 101 } else { 200 };
        if head.status != expected {
            bail!("refused with {}", head.status);
        }
        if *transport == Transport::Ws {
            let subscribe = format!(r#"{{"action":"subscribe","room":"bench:{}"}}"#, self.seat.room);
            stream.write_all(&message(1, subscribe.as_bytes())).await?;
        }
        Ok((stream, bytes.split_off(head.len)))
    }

    /// Reads a socket or a stream until the run ends.
    async fn follow(
        &mut self,
        stream: &mut TcpStream,
        mut reader: Reader,
        rest: &[u8],
        there: &mut Option<impl FnOnce()>,
    ) -> anyhow::Result<()> {
        let stop = self.site.stop.cancelled();
        tokio::pin!(stop);
        self.read(&mut reader, rest, stream, there)?;
        // On the heap, and only while something is read: thousands of clients wait.
        loop {
            if !self.wait(stream, stop.as_mut()).await? {
                return Ok(());
            }
            let most = if self.seat.slow { SLOW_BYTES_PER_S } else { READ_BYTES };
            let mut bytes = Vec::with_capacity(most);
            match stream.try_read_buf(&mut bytes) {
                Ok(0) => bail!("the server has closed the connection"),
                Ok(_) => self.read(&mut reader, &bytes, stream, there)?,
                Err(reason) if reason.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(reason) => return Err(reason.into()),
            }
        }
    }

    /// False once the run ends; true once there may be something to read, and a slow one has rested.
    async fn wait(&self, stream: &TcpStream, stop: Pin<&mut WaitForCancellationFuture<'_>>) -> anyhow::Result<bool> {
        let ready = async {
            if self.seat.slow {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            stream.readable().await
        };
        tokio::select! {
            biased;
            () = stop => Ok(false),
            ready = ready => Ok(ready.map(|()| true)?),
        }
    }

    /// Takes what has come on a socket or a stream.
    fn read(
        &mut self,
        reader: &mut Reader,
        bytes: &[u8],
        stream: &TcpStream,
        there: &mut Option<impl FnOnce()>,
    ) -> anyhow::Result<()> {
        let mut asked = QueryParams::default();
        reader.take(bytes, |item| match item {
            Item::Frame(frame) => self.see(frame, &mut asked),
            Item::Ping(ping) => asked.pongs.extend(message(10, ping)),
            Item::Close(code) => asked.close = Some(code),
        })?;
        self.note(there);
        if !asked.pongs.is_empty() {
            // A pong that does not fit is one of many.
            let _ = stream.try_write(&asked.pongs);
        }
        match asked {
            QueryParams { error: Some(error), .. } => bail!("the server said {error}"),
            QueryParams { close: Some(code), .. } => bail!("the server has closed with {code}"),
            QueryParams { .. } => Ok(()),
        }
    }

    fn see(&mut self, frame: &[u8], asked: &mut QueryParams) {
        match look(frame) {
            Sight::Bench { seq, posted_us } => {
                self.tally.take(seq);
                self.fresh.push(posted_us);
            }
            Sight::Initial => self.is_there = true,
            Sight::Skipped(count) => self.tally.skip(count),
            Sight::Reset => self.tally.reset(),
            Sight::Error(error) => asked.error = Some(error),
            Sight::Other => {}
        }
    }

    /// Counts what one read brought.
    fn note(&mut self, there: &mut Option<impl FnOnce()>) {
        if !self.seat.slow && !self.fresh.is_empty() {
            self.site.run.note(self.seat.number, &self.fresh);
        }
        self.fresh = Vec::new();
        if self.is_there
            && let Some(there) = there.take()
        {
            there();
        }
    }

    /// Asks again and again until the run ends, each time for what came since.
    async fn poll(&mut self, stream: &mut TcpStream, there: &mut Option<impl FnOnce()>) -> anyhow::Result<()> {
        let stop = self.site.stop.cancelled();
        tokio::pin!(stop);
        let (mut rooms, mut bytes) = (format!("bench:{}", self.seat.room), Vec::new());
        loop {
            let request = format!(
                "GET /poll?rooms={rooms}&wait={POLL_WAIT_S} HTTP/1.1\r\nHost: {}\r\nCookie: ringside={}\r\n\r\n",
                self.site.host, self.site.token
            );
            stream.write_all(request.as_bytes()).await?;
            let (Answer { status, body }, length) = loop {
                if let Some(answer) = answer(&bytes)? {
                    break answer;
                }
                tokio::select! {
                    biased;
                    () = stop.as_mut() => return Ok(()),
                    read = stream.read_buf(&mut bytes) => if read? == 0 {
                        bail!("the server has closed the connection");
                    },
                }
            };
            bytes.drain(..length);
            if status != 200 {
                bail!("a poll was answered with {status}");
            }
            let (frames, cursor) = polled(&body)?;
            let mut asked = QueryParams::default();
            for frame in frames {
                self.see(frame, &mut asked);
            }
            rooms = cursor.to_owned();
            self.note(there);
            if let Some(error) = asked.error {
                bail!("the server said {error}");
            }
        }
    }
}
