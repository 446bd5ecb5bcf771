//! What an operator can set of a gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use ringside_access::AccessSettings;
use ringside_http::{HttpSettings, Readiness};

use crate::memory::{MemoryReading, resident_bytes};

/// What an operator can set of a gateway. The defaults are right for a single machine.
#[derive(Clone)]
pub struct GatewaySettings {
    /// After its token has ended, a live connection gets so long to bring another one.
    pub token_grace: Duration,
    /// Who may do and see what.
    pub access: AccessSettings,
    /// What the port believes about its clients, and which other origins it serves.
    pub http: HttpSettings,
    /// Connections are told to go elsewhere spread over this time.
    pub drain_over: Duration,
    /// True while a simulator makes data: pages say so.
    pub demo: Arc<AtomicBool>,
    /// What this build calls itself.
    pub version: &'static str,
    /// How often an overview looks for changes.
    pub publish_every: Duration,
    /// What else of this process must be well before it counts as ready: each says what is not.
    pub readiness: Vec<Readiness>,
    /// How often a socket is pinged; one that says nothing for 1.4 times as long, not even a pong, is gone.
    pub ping_every: Duration,
    /// True where load runs may be made: rooms `bench:{n}`, and `POST /bench/{n}` that publishes to them.
    pub bench: bool,
    /// So many live connections are let in each second, and as many at once after a second of quiet.
    pub connects_per_second: u32,
    /// A live connection is told to come back after so long, give or take a fifth.
    pub max_age: Duration,
    /// What this process may take of memory, in bytes; what the system sets where it is left out. From 85 % of it on nobody
    /// new is let in.
    pub memory_limit: Option<u64>,
    /// What it takes.
    pub memory_reading: MemoryReading,
    /// What `/metrics` shows, of a recorder as [`ringside_http::recorder`] makes it; none where no recorder is installed.
    pub metrics: Option<PrometheusHandle>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            token_grace: Duration::from_secs(25),
            access: AccessSettings::default(),
            http: HttpSettings::default(),
            drain_over: Duration::from_secs(5),
            demo: Arc::default(),
            version: env!("CARGO_PKG_VERSION"),
            publish_every: Duration::from_millis(250),
            ping_every: Duration::from_secs(25),
            readiness: Vec::new(),
            bench: false,
            connects_per_second: 2_000,
            max_age: Duration::from_secs(30 * 60),
            memory_limit: None,
            memory_reading: Arc::new(resident_bytes),
            metrics: None,
        }
    }
}

/// Without what it holds.
impl std::fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewaySettings").finish_non_exhaustive()
    }
}
