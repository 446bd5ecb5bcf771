//! The three doors: WebSocket, SSE and polls. Each is thin; what is sent to whom is decided in [`session`].

mod admission;
mod cursors;
mod expiry;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod goodbye;
mod ledger;
mod lifetime;
mod limits;
mod poll;
mod session;
mod socket;
mod sse;
mod standpoint;
mod watch;

pub(crate) use ledger::{Line, Look, RoomLook};
pub(crate) use poll::poll;
pub(crate) use socket::{open_metrics_socket, open_socket};
pub(crate) use sse::{stream_alerts, stream_events};

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringside_access::Access;
use ringside_http::HttpSettings;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::admission::Admission;
use self::goodbye::Goodbye;
use self::ledger::Ledger;
use self::socket::Shard;
use crate::hub::Hub;
use crate::memory::Memory;

/// How long the last connections get to read their goodbye.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What an operator sets about live connections.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// How long a live connection may bring another token after its own has ended.
    pub token_grace: Duration,
    /// The time over which a drain spreads the goodbyes.
    pub drain_over: Duration,
    /// How often a socket is pinged. One that sends nothing for 1.4 times as long, not even a pong, is gone.
    pub ping_every: Duration,
    /// Live connections admitted per second, and at once after a second of quiet.
    pub connects_per_second: u32,
    /// The age at which a live connection is asked to reconnect, give or take a fifth.
    pub max_age: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            token_grace: Duration::from_secs(25),
            drain_over: Duration::from_secs(5),
            ping_every: Duration::from_secs(25),
            connects_per_second: 2_000,
            max_age: Duration::from_secs(30 * 60),
        }
    }
}

/// Live connections of a gateway. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub(crate) struct Delivery(Arc<Inner>);

struct Inner {
    settings: DeliverySettings,
    access: Access,
    hub: Arc<Hub>,
    http: Arc<HttpSettings>,
    goodbye: Arc<Goodbye>,
    admission: Admission,
    ledger: Arc<Ledger>,
    shards: Vec<Arc<Shard>>,
    sockets: AtomicUsize,
    connections: TaskTracker,
}

impl Delivery {
    /// Starts the shards that write to sockets, until `stop`.
    pub(crate) fn start(
        settings: DeliverySettings,
        access: Access,
        hub: Arc<Hub>,
        http: Arc<HttpSettings>,
        memory: Arc<Memory>,
        stop: &CancellationToken,
    ) -> Self {
        let goodbye = Arc::new(Goodbye::default());
        let admission = Admission::new(settings.connects_per_second, goodbye.clone(), memory);
        Self(Arc::new(Inner {
            settings,
            access,
            hub,
            http,
            goodbye,
            admission,
            ledger: Arc::default(),
            shards: Shard::start_all(stop),
            sockets: AtomicUsize::new(0),
            connections: TaskTracker::new(),
        }))
    }

    /// Asks connections to go elsewhere, a few at a time, and waits for them. New ones are sent elsewhere at once.
    pub(crate) async fn drain(&self) {
        let over = self.0.settings.drain_over;
        let connections = self.0.connections.len();
        self.0.goodbye.begin(connections, over);
        self.0.connections.close();
        info!(connections, "draining");
        if tokio::time::timeout(over + LAST_WORDS, self.0.connections.wait()).await.is_err() {
            warn!(connections = self.0.connections.len(), "drain timed out");
        }
    }

    pub(crate) fn settings(&self) -> &DeliverySettings {
        &self.0.settings
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn http(&self) -> &HttpSettings {
        &self.0.http
    }

    pub(crate) fn goodbye(&self) -> &Goodbye {
        &self.0.goodbye
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    /// Tracks the tasks of connections, for the drain.
    pub(crate) fn connections(&self) -> &TaskTracker {
        &self.0.connections
    }

    /// The shard that writes for the next socket.
    pub(crate) fn next_shard(&self) -> Arc<Shard> {
        let number = self.0.sockets.fetch_add(1, Ordering::Relaxed);
        self.0.shards[number % self.0.shards.len()].clone()
    }
}
