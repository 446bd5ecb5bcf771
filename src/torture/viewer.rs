//! A client that watches some rooms and changes gateways and doors, with its cursors in its pocket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ringside_model::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::track::Track;
use crate::socket::{Heard, Socket};

/// Rooms tell something at least every half a second; who hears nothing for so long tries another gateway.
const SILENCE: Duration = Duration::from_secs(4);

/// What one client got, by room.
pub(crate) type Tracks = Arc<Mutex<BTreeMap<String, Track>>>;

/// One client.
pub(crate) struct Viewer {
    /// Where it may go.
    pub(crate) gateways: Vec<String>,
    /// The user's name.
    pub(crate) token: String,
    /// What it got.
    pub(crate) tracks: Tracks,
    dice: ChaCha8Rng,
}

impl Viewer {
    /// A client of these rooms.
    pub(crate) fn new(gateways: Vec<String>, token: String, rooms: &[String], seed: u64) -> Self {
        let tracks = rooms.iter().map(|room| (room.clone(), Track::default())).collect();
        Self { gateways, token, tracks: Arc::new(Mutex::new(tracks)), dice: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Watches until `stop`, a few seconds at each gateway, each time by another door.
    pub(crate) async fn watch(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let gateway = self.gateways[self.dice.random_range(0..self.gateways.len())].clone();
            let leave_at = Instant::now() + Duration::from_millis(self.dice.random_range(2_000..10_000));
            let door = self.dice.random_range(0..3);
            let visit = async {
                match door {
                    0 => self.by_socket(&gateway, leave_at).await,
                    1 => self.by_stream(&gateway, leave_at).await,
                    _ => self.by_polls(&gateway, leave_at).await,
                }
            };
            let visited = tokio::select! {
                visited = visit => visited,
                () = stop.cancelled() => Ok(()),
            };
            self.tracks.lock().expect("nobody panics with it").values_mut().for_each(Track::disconnected);
            if visited.is_err() {
                tokio::time::sleep(Duration::from_millis(self.dice.random_range(50..400))).await;
            }
        }
    }

    async fn by_socket(&self, gateway: &str, leave_at: Instant) -> anyhow::Result<()> {
        let opened_ms = Timestamp::now().millis();
        let mut socket = timeout(SILENCE, Socket::open(gateway, &self.token)).await??;
        for (room, cursor) in self.cursors() {
            socket.subscribe(&room, cursor.as_deref()).await?;
        }
        while Instant::now() < leave_at {
            match timeout(SILENCE, socket.hear()).await?? {
                Heard::Frame(text) => self.take(&serde_json::from_str(&text)?, opened_ms)?,
                Heard::Closed(..) => bail!("closed"),
                Heard::Alive => {}
            }
        }
        Ok(())
    }

    async fn by_stream(&self, gateway: &str, leave_at: Instant) -> anyhow::Result<()> {
        let http = reqwest::Client::new();
        let opened_ms = Timestamp::now().millis();
        let request = http.get(format!("{gateway}/events?rooms={}", self.rooms_query())).bearer_auth(&self.token);
        let mut answer = timeout(SILENCE, request.send()).await??.error_for_status()?;
        let mut buffer = Vec::new();
        while Instant::now() < leave_at {
            buffer.extend_from_slice(&timeout(SILENCE, answer.chunk()).await??.context("the stream ended")?);
            while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = buffer.drain(..end + 2).collect();
                let lines = event.split(|byte| *byte == b'\n');
                let mut data = lines.filter_map(|line| line.strip_prefix(b"data:"));
                if let Some(data) = data.next() {
                    self.take(&serde_json::from_slice(data)?, opened_ms)?;
                }
            }
        }
        Ok(())
    }

    async fn by_polls(&self, gateway: &str, leave_at: Instant) -> anyhow::Result<()> {
        let http = reqwest::Client::new();
        while Instant::now() < leave_at {
            let opened_ms = Timestamp::now().millis();
            let request = http.get(format!("{gateway}/poll?wait=2&rooms={}", self.rooms_query()));
            let request = request.bearer_auth(&self.token).timeout(SILENCE + Duration::from_secs(2));
            let answer: Value = request.send().await?.error_for_status()?.json().await?;
            let frames = answer["frames"].as_array().context("a poll without frames")?;
            for frame in frames {
                self.take(frame, opened_ms)?;
            }
            // What one poll announced, its own frames got to.
            self.tracks.lock().expect("nobody panics with it").values_mut().for_each(Track::disconnected);
        }
        Ok(())
    }

    fn cursors(&self) -> Vec<(String, Option<String>)> {
        let tracks = self.tracks.lock().expect("nobody panics with it");
        tracks.iter().map(|(room, track)| (room.clone(), track.cursor())).collect()
    }

    fn rooms_query(&self) -> String {
        let rooms = self.cursors().into_iter().map(|(room, cursor)| match cursor {
            Some(cursor) => format!("{room}@{cursor}"),
            None => room,
        });
        rooms.collect::<Vec<_>>().join(",")
    }

    fn take(&self, frame: &Value, opened_ms: i64) -> anyhow::Result<()> {
        ensure!(frame["type"] != "bye", "asked to come back elsewhere");
        let Some(room) = frame["room"].as_str() else { return Ok(()) };
        let mut tracks = self.tracks.lock().expect("nobody panics with it");
        if let Some(track) = tracks.get_mut(room) {
            track.take(frame, opened_ms);
        }
        Ok(())
    }
}
