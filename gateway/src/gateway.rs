//! The gateway as a whole: what it is made of, how it starts and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use ringside_access::Keys;
use ringside_engine::{Engine, EngineError, EngineProbe};
use ringside_http::{Health, HttpSettings, Readiness, RenderMetrics};
use ringside_model::{Room, Timestamp, system_clock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::auth::{
    Audit, AuditEntry, BadIssuer, Issuers, Passes, Passwords, Power, Sessions, SigningKeys, Standing, Throttle, Tokens,
    Turnstile, Viewer, is_pass, keep_sweeping, short,
};
use crate::bench::Bench;
use crate::delivery::{Admission, Goodbye, Ledger, Shard};
use crate::error::Error;
use crate::hub::{Hub, Initial, Refusal};
use crate::memory::Memory;
use crate::routes::CORS_PATHS;
use crate::settings::GatewaySettings;
use crate::{data_age, observe};

/// How long the last connections get to read their goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The engine can't be asked for keys and accounts.
    #[error("the gateway can't start: {0}")]
    Engine(#[from] EngineError),
    /// What is said of an issuer can't work.
    #[error(transparent)]
    Issuer(#[from] BadIssuer),
}

/// A gateway. Cloning it makes another handle to the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Inside>);

struct Inside {
    engine: Arc<dyn Engine>,
    settings: GatewaySettings,
    http: Arc<HttpSettings>,
    hub: Arc<Hub>,
    probe: Arc<EngineProbe>,
    tokens: Arc<Tokens>,
    passwords: Passwords,
    throttle: Throttle,
    turnstile: Turnstile,
    standing: Arc<Standing>,
    sessions: Sessions,
    passes: Passes,
    keys: Keys,
    audit: Audit,
    issuers: Arc<Issuers>,
    bench: Option<Bench>,
    goodbye: Arc<Goodbye>,
    admission: Admission,
    ledger: Arc<Ledger>,
    memory: Arc<Memory>,
    shards: Vec<Arc<Shard>>,
    sockets: AtomicUsize,
    /// Cancelled when everything has to end.
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Gateway {
    /// Reads (or makes) the installation's keys and begins to look after rooms and accounts.
    pub async fn start(engine: Arc<dyn Engine>, settings: GatewaySettings) -> Result<Self, GatewayError> {
        observe::begin();
        let keys = SigningKeys::load(engine.as_ref()).await?;
        let tokens = Arc::new(Tokens::new(keys, &settings.issuer, &settings.audience, settings.new_key_every));
        let standing = Standing::load(engine.clone()).await?;
        let stop = CancellationToken::new();
        tokio::spawn(tokens.clone().run(engine.clone(), stop.clone()));
        let probe = EngineProbe::new();
        tokio::spawn(probe.clone().run(engine.clone(), stop.clone()));
        let hub = Hub::new(engine.clone(), probe.clone(), settings.publish_every, stop.clone());
        tokio::spawn(hub.clone().run());
        tokio::spawn(standing.clone().run(stop.clone()));
        tokio::spawn(keep_sweeping(engine.clone(), stop.clone()));
        let sessions = Sessions::new(engine.clone(), settings.login_lasts);
        let issuers = Arc::new(Issuers::new(settings.issuers.clone())?);
        tokio::spawn(issuers.clone().run(stop.clone()));
        let bench = settings.bench.then(|| Bench::new(engine.clone(), stop.clone()));
        let memory = Memory::new(settings.memory_limit, settings.memory_reading.clone());
        tokio::spawn(memory.clone().run(stop.clone()));
        let goodbye = Arc::new(Goodbye::default());
        let admission = Admission::new(settings.connects_per_second, goodbye.clone(), memory.clone());
        Ok(Self(Arc::new(Inside {
            tokens,
            passwords: Passwords::new(),
            throttle: Throttle::default(),
            turnstile: Turnstile::default(),
            standing,
            sessions,
            passes: Passes::new(engine.clone()),
            keys: Keys::new(engine.clone(), system_clock()),
            audit: Audit::new(engine.clone(), settings.audit_kept),
            issuers,
            hub,
            probe,
            engine,
            http: Arc::new(HttpSettings { cors_paths: &CORS_PATHS, ..settings.http.clone() }),
            settings,
            bench,
            goodbye,
            admission,
            ledger: Arc::default(),
            memory,
            shards: Shard::start_all(&stop),
            sockets: AtomicUsize::new(0),
            stop,
            connections: TaskTracker::new(),
        })))
    }

    /// A room's full snapshot for a viewer: the very frame that a socket would be sent first.
    pub async fn initial(&self, viewer: &Viewer, room: &Room) -> Result<Initial, Refusal> {
        if !self.may_watch(viewer, room) {
            return Err(Refusal::Forbidden(room.clone()));
        }
        self.0.hub.initial(viewer, room).await
    }

    /// Turns readiness red, tells connections to come back elsewhere, a few at a time, and ends what runs here. Whoever
    /// still comes is sent elsewhere; so keep listening until it returns.
    pub async fn drain(&self) {
        let over = self.0.settings.drain_over;
        let connections = self.0.connections.len();
        self.0.goodbye.begin(connections, over);
        self.0.connections.close();
        info!(connections, "saying goodbye");
        if tokio::time::timeout(over + GOODBYE_WITHIN, self.0.connections.wait()).await.is_err() {
            warn!(connections = self.0.connections.len(), "some connections did not take their goodbye");
        }
        self.0.stop.cancel();
        if let Some(bench) = &self.0.bench {
            bench.ended().await;
        }
    }

    /// What an operator has set.
    pub fn settings(&self) -> &GatewaySettings {
        &self.0.settings
    }

    /// What this gateway reports about itself to probes and Prometheus.
    pub(crate) fn health(&self) -> Health {
        let check = |check: fn(&Inside) -> Option<String>| -> Readiness {
            let gateway = self.0.clone();
            Arc::new(move || check(&gateway))
        };
        let mut readiness = vec![
            check(|gateway| gateway.probe.trouble()),
            check(|gateway| gateway.hub.trouble()),
            check(|gateway| gateway.memory.trouble()),
        ];
        readiness.extend(self.0.settings.readiness.iter().cloned());
        readiness.push(check(|gateway| gateway.goodbye.has_begun().then(|| "draining".to_owned())));
        let metrics = self.0.settings.metrics.clone().map(|handle| -> RenderMetrics {
            let ledger = self.0.ledger.clone();
            Arc::new(move || {
                observe::queues(ledger.queued_bytes());
                handle.run_upkeep();
                handle.render() + &data_age::render()
            })
        });
        Health { readiness, metrics, version: self.0.settings.version }
    }

    /// What the port believes about its clients.
    pub(crate) fn http(&self) -> &Arc<HttpSettings> {
        &self.0.http
    }

    /// Who an access token is for, if it still counts.
    pub(crate) fn verify(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        let viewer = self.0.tokens.verify(token, Timestamp::now())?;
        if self.0.standing.allows(&viewer) { Ok(viewer) } else { Err(Error::Unauthorized) }
    }

    /// Who brings this: an access token, or a token that lasts, as scripts have them.
    pub(crate) async fn identify(&self, offered: Option<&str>) -> Result<Arc<Viewer>, Error> {
        let token = offered.ok_or(Error::Unauthorized)?;
        if !is_pass(token) {
            return self.verify(token);
        }
        let now = Timestamp::now();
        let pass = self.0.passes.find(token, now).await?;
        // A wallboard logs in with its token first: then its page is all that there is for it.
        let viewer = pass.map(|pass| pass.viewer(now)).filter(|viewer| viewer.role.may(Power::Ask));
        let viewer = viewer.filter(|viewer| self.0.standing.allows(viewer)).ok_or(Error::Unauthorized)?;
        Ok(Arc::new(viewer))
    }

    /// Ends a login, here at once and elsewhere within the second.
    pub(crate) async fn end_session(&self, id: &str) -> Result<(), EngineError> {
        self.0.sessions.end(id).await?;
        self.0.standing.read().await
    }

    /// True where the viewer may watch the room: it is in their scope and on their page, or it is a load run's and they run
    /// it; and nothing was taken back since.
    pub(crate) fn may_watch(&self, viewer: &Viewer, room: &Room) -> bool {
        let sees = match room {
            Room::Bench(_) => self.0.bench.is_some() && viewer.role.may(Power::Operate),
            room => viewer.scope.allows(room) && viewer.page.as_ref().is_none_or(|page| page.shows(room)),
        };
        sees && self.0.standing.allows(viewer)
    }

    /// Notes that somebody wanted to watch what they may not. Where they are is noted with their login.
    pub(crate) fn note_forbidden(&self, viewer: &Viewer, room: &Room) {
        let entry = AuditEntry::by(&viewer.user, None, "watch", room.to_string()).refused("forbidden_room");
        let login = serde_json::json!({ "session": short(&viewer.session_id) });
        self.audit().note_refusal(&viewer.tenant, entry.changed(serde_json::Value::Null, login));
    }

    /// What publishes a load run; none where no operator has switched it on.
    pub(crate) fn bench(&self) -> Option<&Bench> {
        self.0.bench.as_ref()
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.0.engine.as_ref()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.0.standing
    }

    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn passes(&self) -> &Passes {
        &self.0.passes
    }

    /// Whose tokens count here besides ours.
    pub(crate) fn issuers(&self) -> &Issuers {
        &self.0.issuers
    }

    /// The API keys of sources, which admins issue and revoke here.
    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
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

    /// Who writes for the next socket.
    pub(crate) fn next_shard(&self) -> Arc<Shard> {
        let number = self.0.sockets.fetch_add(1, Ordering::Relaxed);
        self.0.shards[number % self.0.shards.len()].clone()
    }

    pub(crate) fn connections(&self) -> &TaskTracker {
        &self.0.connections
    }
}

impl FromRef<Gateway> for Arc<HttpSettings> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.http().clone()
    }
}

/// Without what it holds.
impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
