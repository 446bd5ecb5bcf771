//! The facade of access: its parts, and the viewer behind a token.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::{Engine, EngineError};
use ringside_model::{Room, TenantId, Timestamp, system_clock};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::api_token::{ApiTokens, is_api_token};
use crate::audit::{Audit, AuditEntry};
use crate::error::AccessError;
use crate::issuer::{BadIssuer, IssuerSettings, Issuers};
use crate::keys::Keys;
use crate::login_rate::LoginRateLimit;
use crate::password::Passwords;
use crate::revocations::Revocations;
use crate::role::Permission;
use crate::session::{Sessions, short};
use crate::signing_keys::SigningKeys;
use crate::sweep;
use crate::throttle::Throttle;
use crate::token::Tokens;
use crate::viewer::Viewer;

/// The operator's settings for access.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
    /// How long an access token is valid.
    pub token_ttl: Duration,
    /// How long a session lasts if it is not renewed.
    pub session_ttl: Duration,
    /// The age at which the signing key is rotated; zero for never.
    pub key_rotation: Duration,
    /// How long the audit log is kept.
    pub audit_kept: Duration,
    /// The installation's first tenant.
    ///
    /// Its audit log also has the entries that belong to no tenant.
    pub tenant: TenantId,
    /// Other issuers whose tokens are accepted, and SSO providers.
    pub issuers: Vec<IssuerSettings>,
    /// The address that people open, such as `https://ops.example.com`.
    ///
    /// If none, each request's own host.
    pub public_url: Option<String>,
    /// Whether the rooms of load runs exist, for roles that may publish to them.
    pub load_runs: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            issuer: "ringside".to_owned(),
            audience: "ringside".to_owned(),
            token_ttl: Duration::from_secs(15 * 60),
            session_ttl: Duration::from_secs(8 * 3600),
            key_rotation: Duration::from_secs(30 * 24 * 3600),
            audit_kept: Duration::from_secs(365 * 24 * 3600),
            tenant: TenantId::parse("default").expect("\"default\" is a valid tenant id"),
            issuers: Vec::new(),
            public_url: None,
            load_runs: false,
        }
    }
}

/// Why access did not start.
#[derive(Debug, thiserror::Error)]
pub enum AccessStartError {
    /// The engine can't be asked for keys and accounts.
    #[error("the gateway can't start: {0}")]
    Engine(#[from] EngineError),
    /// An issuer's settings are invalid.
    #[error(transparent)]
    Issuer(#[from] BadIssuer),
}

/// The facade of this crate. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    settings: AccessSettings,
    tokens: Arc<Tokens>,
    passwords: Passwords,
    throttle: Throttle,
    login_rate: LoginRateLimit,
    revocations: Arc<Revocations>,
    sessions: Sessions,
    api_tokens: ApiTokens,
    keys: Keys,
    audit: Audit,
    issuers: Arc<Issuers>,
}

impl Access {
    /// Starts access, and its background tasks until `stop`.
    ///
    /// Loads or creates the installation's signing keys. The tasks keep keys, revocations and issuers fresh.
    pub async fn start(
        engine: Arc<dyn Engine>,
        settings: AccessSettings,
        stop: &CancellationToken,
    ) -> Result<Self, AccessStartError> {
        let keys = SigningKeys::load(engine.as_ref()).await?;
        let tokens = Arc::new(Tokens::new(keys, &settings.issuer, &settings.audience, settings.key_rotation));
        let revocations = Revocations::load(engine.clone()).await?;
        let issuers = Arc::new(Issuers::new(settings.issuers.clone())?);
        tokio::spawn(tokens.clone().run(engine.clone(), stop.clone()));
        tokio::spawn(revocations.clone().run(stop.clone()));
        tokio::spawn(sweep::run(engine.clone(), stop.clone()));
        tokio::spawn(issuers.clone().run(stop.clone()));
        Ok(Self(Arc::new(Inner {
            tokens,
            passwords: Passwords::new(),
            throttle: Throttle::default(),
            login_rate: LoginRateLimit::default(),
            revocations,
            sessions: Sessions::new(engine.clone(), settings.session_ttl),
            api_tokens: ApiTokens::new(engine.clone()),
            keys: Keys::new(engine.clone(), system_clock()),
            audit: Audit::new(engine.clone(), settings.audit_kept),
            issuers,
            engine,
            settings,
        })))
    }

    /// Returns the viewer of an access token, if it is valid and not revoked.
    pub fn verify(&self, token: &str) -> Result<Arc<Viewer>, AccessError> {
        let viewer = self.0.tokens.verify(token, Timestamp::now()).ok_or(AccessError::Unauthorized)?;
        if self.0.revocations.allows(&viewer) { Ok(viewer) } else { Err(AccessError::Unauthorized) }
    }

    /// Returns the viewer of an access token or of a script's API token.
    pub async fn identify(&self, offered: Option<&str>) -> Result<Arc<Viewer>, AccessError> {
        let token = offered.ok_or(AccessError::Unauthorized)?;
        if !is_api_token(token) {
            return self.verify(token);
        }
        let now = Timestamp::now();
        let token = self.0.api_tokens.find(token, now).await?;
        // A wallboard's token only signs in: the session it gets is limited to its page.
        let viewer = token.map(|token| token.viewer(now)).filter(|viewer| viewer.role.may(Permission::Read));
        let viewer = viewer.filter(|viewer| self.0.revocations.allows(viewer)).ok_or(AccessError::Unauthorized)?;
        Ok(Arc::new(viewer))
    }

    /// Returns whether a viewer may watch a room.
    ///
    /// It must be in scope and on their page, and nothing may be revoked since.
    pub fn may_watch(&self, viewer: &Viewer, room: &Room) -> bool {
        let sees = match room {
            Room::Bench(_) => self.0.settings.load_runs && viewer.role.may(Permission::RunLoad),
            room => viewer.scope.allows(room) && viewer.page.as_ref().is_none_or(|page| page.shows(room)),
        };
        sees && self.0.revocations.allows(viewer)
    }

    /// Ends a session: on this gateway at once, on others within a second.
    pub async fn end_session(&self, id: &str) -> Result<(), EngineError> {
        self.0.sessions.end(id).await?;
        self.0.revocations.read().await
    }

    /// Audits the denial of a room.
    ///
    /// The entry has no address: the sign-in's entry has it.
    pub fn record_forbidden(&self, viewer: &Viewer, room: &Room) {
        let entry = AuditEntry::by(&viewer.user, None, "watch", room.to_string()).denied("forbidden_room");
        let session = json!({ "session": short(&viewer.session_id) });
        self.0.audit.record_denial(&viewer.tenant, entry.changed(Value::Null, session));
    }

    /// Returns the account of a viewer, if they have one.
    pub async fn account_of(&self, viewer: &Viewer) -> Result<Option<Account>, AccessError> {
        Ok(Account::get(self.engine(), &viewer.user).await?)
    }

    /// Returns the operator's settings.
    pub fn settings(&self) -> &AccessSettings {
        &self.0.settings
    }

    /// Returns the engine that holds accounts, sessions and journals.
    pub fn engine(&self) -> &dyn Engine {
        self.0.engine.as_ref()
    }

    /// Returns the signer and verifier of access tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Returns the revocations of unexpired access tokens.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Returns the sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Returns the API tokens of scripts and wallboards.
    pub fn api_tokens(&self) -> &ApiTokens {
        &self.0.api_tokens
    }

    /// Returns the other issuers whose tokens are accepted.
    pub fn issuers(&self) -> &Issuers {
        &self.0.issuers
    }

    /// Returns the API keys of event sources.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Returns the audit log.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn login_rate(&self) -> &LoginRateLimit {
        &self.0.login_rate
    }
}

/// Shows the settings only: the rest holds keys.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
