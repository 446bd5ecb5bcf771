//! What an operator can set of a gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use ringside_access::AccessSettings;
use ringside_http::{HttpSettings, Readiness};

use crate::delivery::DeliverySettings;
use crate::memory::{MemoryReading, resident_bytes};

/// Paths that other origins may request, if the operator has listed them.
pub(crate) const CORS_PATHS: [&str; 2] = ["/analytics/", "/auth/"];

/// What an operator can set of a gateway. The defaults are right for a single machine.
#[derive(Clone)]
pub struct GatewaySettings {
    /// Sign-in, sessions and tokens.
    pub access: AccessSettings,
    /// What the port believes about its clients, and which other origins it serves.
    pub http: HttpSettings,
    /// Live connections.
    pub delivery: DeliverySettings,
    /// True while a simulator makes data: pages say so.
    pub demo: Arc<AtomicBool>,
    /// What this build calls itself.
    pub version: &'static str,
    /// How often an overview looks for changes.
    pub publish_every: Duration,
    /// What else of this process must be well before it counts as ready: each says what is not.
    pub readiness: Vec<Readiness>,
    /// True where load runs may be made: rooms `bench:{n}`, and `POST /bench/{n}` that publishes to them.
    pub bench: bool,
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
            access: AccessSettings::default(),
            http: HttpSettings::default(),
            delivery: DeliverySettings::default(),
            demo: Arc::default(),
            version: env!("CARGO_PKG_VERSION"),
            publish_every: Duration::from_millis(250),
            readiness: Vec::new(),
            bench: false,
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
