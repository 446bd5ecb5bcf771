//! Access tokens: signed with the installation's key, verified by signature alone.
//!
//! Verified tokens are cached until they expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::Mutex;
use ringside_engine::Engine;
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::identity::Identity;
use crate::random::random_id;
use crate::role::Role;
use crate::scope::CampaignsJson;
use crate::signing_keys::SigningKeys;
use crate::timeout::with_timeout;
use crate::viewer::Viewer;

/// How many verified tokens are cached: verifying one costs 20 times a look-up.
const MAX_CACHED: usize = 20_000;
/// Longer tokens are rejected unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How often the installation's keys are read again.
const RELOAD_EVERY: Duration = Duration::from_secs(2);
/// The `typ` of access tokens (RFC 9068), so that no other token passes for one.
const TOKEN_TYPE: &str = "at+jwt";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    tenant: String,
    role: String,
    campaigns: CampaignsJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Issues and verifies access tokens.
#[derive(Debug)]
pub struct Tokens {
    /// Never held across an await.
    signed: Mutex<Signed>,
    validation: Validation,
    issuer: String,
    audience: String,
    /// The age at which the signing key is rotated; zero for never.
    new_key_every: Duration,
}

/// Keys, and the tokens verified with them.
#[derive(Debug)]
struct Signed {
    keys: Arc<SigningKeys>,
    verified: HashMap<[u8; 32], Arc<Viewer>>,
}

impl Tokens {
    pub(crate) fn new(keys: SigningKeys, issuer: &str, audience: &str, new_key_every: Duration) -> Self {
        // One algorithm, whatever the token's header says.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Otherwise a token without an issuer would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self {
            signed: Mutex::new(Signed { keys: Arc::new(keys), verified: HashMap::new() }),
            validation,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            new_key_every,
        }
    }

    /// Reloads the installation's keys at intervals until cancelled.
    ///
    /// Restores missing keys. If another gateway wrote first or rotated the key, adopts its keys.
    pub(crate) async fn run(self: Arc<Self>, engine: Arc<dyn Engine>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(RELOAD_EVERY)).await.is_some() {
            let current = self.keys();
            match with_timeout(current.reload(engine.as_ref())).await {
                Ok(stored) if current.same(&stored) => self.rotate_if_due(engine.as_ref(), &current).await,
                Ok(stored) => {
                    if !current.related(&stored) {
                        warn!("signing keys replaced; access tokens from before are invalid");
                    }
                    let mut signed = self.signed.lock();
                    *signed = Signed { keys: Arc::new(stored), verified: HashMap::new() };
                }
                Err(error) => debug!(%error, "reading the signing keys failed; keeping the known ones"),
            }
        }
    }

    /// Rotates the signing key if it is due. All gateways try, and one succeeds.
    async fn rotate_if_due(&self, engine: &dyn Engine, current: &SigningKeys) {
        let now = Timestamp::now();
        let every_ms = self.new_key_every.as_millis() as i64;
        if every_ms > 0 && now.since(current.newest_made()) >= every_ms {
            match with_timeout(current.rotate(engine, now)).await {
                Ok(true) => info!("signing key rotated; the new one signs in some minutes"),
                Ok(false) => {}
                Err(error) => debug!(%error, "rotating the signing key failed; retrying"),
            }
        }
    }

    /// Returns the keys in use.
    pub fn keys(&self) -> Arc<SigningKeys> {
        self.signed.lock().keys.clone()
    }

    /// Issues an access token for an identity, as part of a session.
    pub(crate) fn issue(
        &self,
        identity: &Identity,
        session_id: &str,
        issued_at: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> (String, Viewer) {
        let claims = Claims {
            sub: identity.user.clone(),
            tenant: identity.tenant.to_string(),
            role: identity.role.as_str().to_owned(),
            campaigns: (&identity.scope).into(),
            page: identity.page.as_ref().map(ToString::to_string),
            sid: session_id.to_owned(),
            jti: random_id(),
            iat: issued_at.seconds(),
            exp: expires_at.seconds(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        };
        let keys = self.keys();
        let key = keys.signer(now);
        let mut head = Header::new(Algorithm::EdDSA);
        head.typ = Some(TOKEN_TYPE.to_owned());
        head.kid = Some(key.kid.clone());
        let token = jsonwebtoken::encode(&head, &claims, &key.private)
            .expect("plain claims serialise, and the key is for EdDSA");
        let viewer = viewer(claims).expect("claims of a valid identity are valid");
        (token, viewer)
    }

    /// Returns the viewer of a token with a valid signature that has not expired.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<Arc<Viewer>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let (keys, cached) = {
            let signed = self.signed.lock();
            (signed.keys.clone(), signed.verified.get(&fingerprint).cloned())
        };
        let viewer = match cached {
            Some(viewer) => viewer,
            None => Arc::new(self.check(token, &keys)?),
        };
        if viewer.expires_at <= now {
            return None;
        }
        let mut signed = self.signed.lock();
        if !Arc::ptr_eq(&keys, &signed.keys) {
            // The keys were replaced meanwhile: verify with the new ones.
            drop(signed);
            return self.check(token, &self.keys()).map(Arc::new);
        }
        let verified = &mut signed.verified;
        if verified.len() >= MAX_CACHED {
            verified.retain(|_, viewer| viewer.expires_at > now);
        }
        if verified.len() >= MAX_CACHED {
            verified.clear();
        }
        verified.insert(fingerprint, viewer.clone());
        Some(viewer)
    }

    fn check(&self, token: &str, keys: &SigningKeys) -> Option<Viewer> {
        let head = jsonwebtoken::decode_header(token).ok()?;
        if head.typ.as_deref() != Some(TOKEN_TYPE) {
            return None;
        }
        // `kid` only selects one of the installation's keys, and each has one algorithm.
        let key = head.kid.as_deref().and_then(|kid| keys.named(kid))?;
        let read = jsonwebtoken::decode::<Claims>(token, &key.public, &self.validation);
        viewer(read.ok()?.claims)
    }
}

fn viewer(claims: Claims) -> Option<Viewer> {
    let viewer = Viewer {
        user: claims.sub,
        tenant: TenantId::parse(&claims.tenant).ok()?,
        role: Role::parse(&claims.role)?,
        scope: claims.campaigns.scope()?,
        page: claims.page.as_deref().map(str::parse).transpose().ok()?,
        expires_at: Timestamp::from_millis(claims.exp.checked_mul(1000)?),
        session_id: claims.sid,
        issued_at: Timestamp::from_millis(claims.iat.checked_mul(1000)?),
    };
    viewer.role.fits(&viewer.scope, viewer.page.as_ref()).then_some(viewer)
}
