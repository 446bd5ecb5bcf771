//! What an operator can set of a gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use ringside_http::{HttpSettings, Readiness};
use ringside_model::TenantId;

use crate::auth::IssuerSettings;
use crate::memory::{MemoryReading, resident_bytes};

/// What an operator can set of a gateway. The defaults are right for a single machine.
#[derive(Clone)]
pub struct GatewaySettings {
    /// The `iss` of tokens.
    pub issuer: String,
    /// The `aud` of tokens.
    pub audience: String,
    /// How long an access token counts.
    pub token_ttl: Duration,
    /// After its token has ended, a live connection gets so long to bring another one.
    pub token_grace: Duration,
    /// How long a login lasts that is not renewed.
    pub login_lasts: Duration,
    /// Another signing key is made after so long; never where it is zero.
    pub new_key_every: Duration,
    /// How long entries of the audit log are kept.
    pub audit_kept: Duration,
    /// The installation's first tenant: in whose audit log it is noted what belongs to nobody else.
    pub tenant: TenantId,
    /// What the port believes about its clients, and which other origins it serves.
    pub http: HttpSettings,
    /// Whose tokens count here besides ours, and where people can sign on.
    pub issuers: Vec<IssuerSettings>,
    /// The address that people open, such as `https://ops.example.com`; what each request names where it is left out.
    pub public_url: Option<String>,
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
            issuer: "ringside".to_owned(),
            audience: "ringside".to_owned(),
            token_ttl: Duration::from_secs(15 * 60),
            token_grace: Duration::from_secs(25),
            login_lasts: Duration::from_secs(8 * 3600),
            new_key_every: Duration::from_secs(30 * 24 * 3600),
            audit_kept: Duration::from_secs(365 * 24 * 3600),
            tenant: TenantId::parse("default").expect("a plain name"),
            http: HttpSettings::default(),
            issuers: Vec::new(),
            public_url: None,
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
