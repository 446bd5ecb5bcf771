//! Access, for admins to change and auditors to read: users, tokens, API keys, sessions, audit log.
//!
//! All of it is the viewer's own tenant's, and nothing here tells whether another tenant has something of the name, but for
//! one thing: an account's name is the installation's, so whoever adds one is told that a name is taken, wherever. What
//! changes is noted in the audit log before it is answered, and counts on this gateway at once. The page `/admin` draws its
//! lists from the same rows that are answered here.

mod api_tokens;
mod audit;
mod csv;
mod keys;
mod sessions;
mod users;

pub(crate) use api_tokens::{ApiTokenRow, api_tokens_of, issue_api_token, list_api_tokens, revoke_api_token};
pub(crate) use audit::{AuditFilter, export_audit, list_audit, read_audit, read_before};
pub(crate) use keys::{KeyRow, issue_key, keys_of, list_keys, revoke_key};
pub(crate) use sessions::{SessionRow, end_all_sessions, end_session, list_sessions, sessions_of};
pub(crate) use users::{UserRow, add_user, change_user, end_logins, list_users, remove_user, set_password, users_of};

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use ringside_access::{Access, AuditEntry, CampaignsJson, Permission, Scope, Viewer};
use ringside_http::{HttpSettings, Peer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::extract::{User, require};

/// Somebody who may read who has access.
pub(crate) struct Reviewer {
    pub(crate) viewer: Viewer,
    pub(crate) peer: Peer,
}

/// Somebody who may change who has access.
pub(crate) struct Admin {
    pub(crate) viewer: Viewer,
    pub(crate) peer: Peer,
}

impl<S: Send + Sync> FromRequestParts<S> for Reviewer
where
    Access: FromRef<S>,
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let User(viewer) = User::from_request_parts(parts, state).await?;
        let Ok(peer) = Peer::from_request_parts(parts, state).await;
        require(&viewer, Permission::Audit)?;
        Ok(Self { viewer, peer })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin
where
    Access: FromRef<S>,
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let User(viewer) = User::from_request_parts(parts, state).await?;
        let Ok(peer) = Peer::from_request_parts(parts, state).await;
        require(&viewer, Permission::Administer)?;
        Ok(Self { viewer, peer })
    }
}

impl Admin {
    /// Notes what was done, before it is told; from then on it counts here, and within the second elsewhere.
    async fn did(&self, access: &Access, what: &str, target: &str, before: Value, after: Value) -> Result<(), Error> {
        let entry = AuditEntry::by(&self.viewer.user, self.peer.address, what, target).changed(before, after);
        access.audit().record(&self.viewer.tenant, &entry).await?;
        Ok(access.revocations().read().await?)
    }
}

/// A body, read; what can't be read is told by what is wanted.
fn read_body<T: DeserializeOwned>(body: &Bytes, wanted: &str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::BadRequest(wanted.to_owned()))
}

/// Campaigns as somebody asked for them.
fn read_scope(campaigns: &CampaignsJson) -> Result<Scope, Error> {
    match campaigns.scope() {
        // A user without campaigns needs no access, and an empty list is more often a slip than a wish.
        Some(Scope::Only(ids)) if ids.is_empty() => {
            Err(Error::BadRequest("campaigns is an empty list. Give \"*\" for all, or the ids of some.".to_owned()))
        }
        Some(scope) => Ok(scope),
        None => Err(Error::BadRequest(
            "campaigns is \"*\" or a list of ids: each 1 to 64 letters, digits, '.', '_' or '-'.".to_owned(),
        )),
    }
}

/// An answer of rows, as they are drawn.
fn list_answer(name: &'static str, rows: &impl Serialize) -> Response {
    list_answer_of(&BTreeMap::from([(name, rows)]))
}

fn list_answer_of(answer: &impl Serialize) -> Response {
    super::json_answer(serde_json::to_vec(answer).expect("plain rows always serialise"))
}
