//! Tokens: signed with the installation's key, checked by signature alone, and remembered for as long as they last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use ringside_shared::engine::Engine;
use ringside_shared::model::{CampaignId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::account::in_time;
use super::key::SigningKeys;
use super::viewer::{Role, Scope, Viewer};
use crate::error::Error;

/// So many verified tokens are remembered; a signature costs 20 times what a look-up does.
const REMEMBERED: usize = 20_000;
/// Longer tokens are not even looked at.
const LONGEST_TOKEN: usize = 8 * 1024;
/// How often it is looked whether the installation's key is still ours.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The campaigns of a token: `"*"` or a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum CampaignsClaim {
    Star(String),
    List(Vec<String>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    tenant: String,
    role: String,
    campaigns: CampaignsClaim,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Issues and verifies tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// Short and never across an await.
    signed: Mutex<Signed>,
    validation: Validation,
    issuer: String,
    audience: String,
}

/// A key, and tokens that were verified with it.
#[derive(Debug)]
struct Signed {
    keys: Arc<SigningKeys>,
    verified: HashMap<[u8; 32], Arc<Viewer>>,
}

impl Tokens {
    pub(crate) fn new(keys: SigningKeys, issuer: &str, audience: &str) -> Self {
        // One algorithm, ours; what the token's own head says is never a choice.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Without this a token that names no issuer at all would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        Self {
            signed: Mutex::new(Signed { keys: Arc::new(keys), verified: HashMap::new() }),
            validation,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        }
    }

    /// Looks again and again whether the installation's key is still ours, until cancelled. One that is gone is put there
    /// again; where another gateway was faster, or the engine is another one now, its key is ours from then on.
    pub(crate) async fn run(self: Arc<Self>, engine: Arc<dyn Engine>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let ours = self.keys();
            match in_time(ours.load_again(engine.as_ref())).await {
                Ok(stored) if stored.kid != ours.kid => {
                    warn!("the installation has another signing key now; logins from before don't count any more");
                    let mut signed = self.signed.lock().expect("nobody panics while remembering");
                    *signed = Signed { keys: Arc::new(stored), verified: HashMap::new() };
                }
                Ok(_) => {}
                Err(error) => debug!(%error, "the signing key can't be read; ours counts"),
            }
        }
    }

    fn keys(&self) -> Arc<SigningKeys> {
        self.signed.lock().expect("nobody panics while remembering").keys.clone()
    }

    /// Makes a token for somebody who has shown who they are.
    pub(crate) fn issue(
        &self,
        user: &str,
        tenant: &TenantId,
        role: Role,
        scope: &Scope,
        ttl: Duration,
        now: Timestamp,
    ) -> (String, Viewer) {
        let expires_at = Timestamp::from_millis((now.seconds() + ttl.as_secs() as i64) * 1000);
        let claims = Claims {
            sub: user.to_owned(),
            tenant: tenant.to_string(),
            role: role.as_str().to_owned(),
            campaigns: match scope {
                Scope::All => CampaignsClaim::Star("*".to_owned()),
                Scope::Only(ids) => CampaignsClaim::List(ids.iter().map(ToString::to_string).collect()),
            },
            sid: random_id(),
            jti: random_id(),
            iat: now.seconds(),
            exp: expires_at.seconds(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        };
        let keys = self.keys();
        let mut head = Header::new(Algorithm::EdDSA);
        head.kid = Some(keys.kid.clone());
        let token = jsonwebtoken::encode(&head, &claims, &keys.private).expect("plain claims always sign");
        let viewer = viewer(claims).expect("what was just put in can be read");
        (token, viewer)
    }

    /// Who a token is for, if it is one of ours and not over.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Viewer>, Error> {
        if token.len() > LONGEST_TOKEN {
            return Err(Error::Unauthorized);
        }
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let (keys, remembered) = {
            let signed = self.signed.lock().expect("nobody panics while remembering");
            (signed.keys.clone(), signed.verified.get(&fingerprint).cloned())
        };
        let viewer = match remembered {
            Some(viewer) => viewer,
            None => Arc::new(self.check(token, &keys)?),
        };
        if viewer.expires_at <= now {
            return Err(Error::Unauthorized);
        }
        let mut signed = self.signed.lock().expect("nobody panics while remembering");
        if !Arc::ptr_eq(&keys, &signed.keys) {
            return Err(Error::Unauthorized);
        }
        let verified = &mut signed.verified;
        if verified.len() >= REMEMBERED {
            verified.retain(|_, viewer| viewer.expires_at > now);
        }
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(fingerprint, viewer.clone());
        Ok(viewer)
    }

    fn check(&self, token: &str, keys: &SigningKeys) -> Result<Viewer, Error> {
        let read = jsonwebtoken::decode::<Claims>(token, &keys.public, &self.validation);
        let token = read.map_err(|_| Error::Unauthorized)?;
        if token.header.kid.as_deref() != Some(&keys.kid) {
            return Err(Error::Unauthorized);
        }
        viewer(token.claims).ok_or(Error::Unauthorized)
    }
}

fn viewer(claims: Claims) -> Option<Viewer> {
    let scope = match claims.campaigns {
        CampaignsClaim::Star(star) => (star == "*").then_some(Scope::All)?,
        CampaignsClaim::List(ids) => {
            Scope::Only(ids.iter().map(|id| CampaignId::parse(id)).collect::<Result<_, _>>().ok()?)
        }
    };
    Some(Viewer {
        user: claims.sub,
        tenant: TenantId::parse(&claims.tenant).ok()?,
        role: Role::parse(&claims.role)?,
        scope,
        expires_at: Timestamp::from_millis(claims.exp.checked_mul(1000)?),
        session_id: claims.sid,
        issued_at: Timestamp::from_millis(claims.iat.checked_mul(1000)?),
    })
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
