//! Posts frames at a fixed rate, whatever becomes of them: over a few connections, each with its own share of the rooms.
//!
//! Due posts are written at once; responses are read concurrently. A post that was refused is no
//! frame that could be lost, and is counted by its room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::client::Site;
use super::wire::answer;

/// Connections that post, at most.
const CONNECTIONS: u16 = 8;
/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(1);
/// Answers take no longer; a server that is so far behind has failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// How much of what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) rooms: u16,
    /// Frames a second in each room.
    pub(super) rate: f64,
    pub(super) lasts: Duration,
    /// Length of each body.
    pub(super) payload_bytes: usize,
}

/// The posts of a run.
#[derive(Debug, Default)]
pub(super) struct Posted {
    /// Of each room, the frames that were taken.
    pub(super) taken: Vec<AtomicU64>,
    /// All that were not.
    pub(super) refused: AtomicU64,
    /// The worst that a post was behind its time.
    pub(super) late_us: AtomicU64,
    /// What the server said of the first one that it refused.
    pub(super) refusal: Mutex<Option<String>>,
}

/// Posts all of it; returns once all is answered.
pub(super) async fn publish(site: &Arc<Site>, plan: Plan) -> anyhow::Result<Arc<Posted>> {
    let taken = (0..plan.rooms).map(|_| AtomicU64::new(0)).collect();
    let posted = Arc::new(Posted { taken, ..Posted::default() });
    let connections = CONNECTIONS.min(plan.rooms);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        let rooms: Vec<u16> = (number..plan.rooms).step_by(connections.into()).collect();
        let stream = TcpStream::connect(site.address).await.context("connecting to post")?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        // Rooms of what is not answered yet, in order.
        let asked: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let total = (plan.rate * rooms.len() as f64 * plan.lasts.as_secs_f64()).round() as u64;
        let reading = tokio::spawn(read_answers(read, total, asked.clone(), posted.clone()));
        let mut poster = Poster { site: site.clone(), plan, rooms, total, write, asked, posted: posted.clone() };
        tasks.spawn(async move {
            poster.run().await?;
            timeout(ANSWERED_WITHIN, reading).await.context("posts were not answered")??
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(posted)
}

struct Poster {
    site: Arc<Site>,
    plan: Plan,
    rooms: Vec<u16>,
    total: u64,
    write: OwnedWriteHalf,
    asked: Arc<Mutex<VecDeque<u16>>>,
    posted: Arc<Posted>,
}

impl Poster {
    /// Posts to its rooms in turn.
    async fn run(&mut self) -> anyhow::Result<()> {
        let per_s = self.plan.rate * self.rooms.len() as f64;
        let (began, mut sent, mut requests) = (Instant::now(), 0, Vec::new());
        let mut ticks = tokio::time::interval(TICK);
        while sent < self.total {
            ticks.tick().await;
            let due = ((began.elapsed().as_secs_f64() * per_s) as u64 + 1).min(self.total);
            let behind = began.elapsed().as_secs_f64() - sent as f64 / per_s;
            if due > sent {
                self.posted.late_us.fetch_max((behind * 1e6).max(0.0) as u64, Ordering::Relaxed);
            }
            requests.clear();
            for number in sent..due {
                let at = (number % self.rooms.len() as u64) as usize;
                self.request(&mut requests, self.rooms[at], number / self.rooms.len() as u64);
                self.asked.lock().expect("nobody panics with it").push_back(self.rooms[at]);
            }
            sent = due;
            self.write.write_all(&requests).await.context("posting")?;
        }
        Ok(())
    }

    fn request(&self, requests: &mut Vec<u8>, room: u16, seq: u64) {
        let Site { host, token, run, .. } = &*self.site;
        let mut body = format!(r#"{{"t":{},"seq":{seq},"pad":""#, run.now_us());
        let pad = self.plan.payload_bytes.saturating_sub(body.len() + 2);
        body.extend(std::iter::repeat_n('x', pad));
        body.push_str("\"}");
        let head = format!(
            "POST /bench/{room} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        requests.extend_from_slice(head.as_bytes());
        requests.extend_from_slice(body.as_bytes());
    }
}

/// Reads so many answers, one for each question.
async fn read_answers(
    mut read: OwnedReadHalf,
    total: u64,
    asked: Arc<Mutex<VecDeque<u16>>>,
    posted: Arc<Posted>,
) -> anyhow::Result<()> {
    let (mut bytes, mut answered) = (Vec::new(), 0);
    while answered < total {
        if read.read_buf(&mut bytes).await? == 0 {
            bail!("the server closed with posts unanswered");
        }
        let mut at = 0;
        while let Some((answer, length)) = answer(&bytes[at..])? {
            at += length;
            answered += 1;
            let room = asked.lock().expect("nobody panics with it").pop_front();
            let room = room.context("the server answers what nobody asked")?;
            if answer.status == 202 {
                posted.taken[usize::from(room)].fetch_add(1, Ordering::Relaxed);
            } else {
                posted.refused.fetch_add(1, Ordering::Relaxed);
                let text = || format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
                posted.refusal.lock().expect("nobody panics with it").get_or_insert_with(text);
            }
        }
        bytes.drain(..at);
    }
    Ok(())
}
