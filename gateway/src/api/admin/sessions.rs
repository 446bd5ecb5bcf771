//! `/admin/sessions`: who is logged in, from where, and ending it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ringside_access::{Access, Accounts, Session, Viewer, short};
use ringside_model::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::json_answer;
use super::{Admin, Reviewer, list_answer};
use crate::error::Error;
use crate::extract::Path;

/// How much of a session's id names it here: too little to use it.
const ID_CHARS: usize = 12;
/// And so much is enough to name it.
const LEAST_ID_CHARS: usize = 8;

/// A login.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) user: String,
    /// `password`, `token`, or whose word it was.
    pub(crate) via: String,
    pub(crate) address: Option<String>,
    /// What the browser calls itself.
    pub(crate) agent: String,
    pub(crate) since: String,
    pub(crate) last_seen_at: String,
    pub(crate) expires_at: String,
    /// True for the login that asks.
    pub(crate) current: bool,
}

/// All logins that look at the viewer's tenant, the newest first.
pub(crate) async fn sessions_of(access: &Access, viewer: &Viewer) -> Result<Vec<SessionRow>, Error> {
    let sessions = access.sessions().list(&viewer.tenant, Timestamp::now()).await?;
    Ok(sessions.into_iter().map(|session| SessionRow::of(session, viewer)).collect())
}

/// `GET /admin/sessions`
pub(crate) async fn list_sessions(State(access): State<Access>, reviewer: Reviewer) -> Result<Response, Error> {
    Ok(list_answer("sessions", &sessions_of(&access, &reviewer.viewer).await?))
}

/// `DELETE /admin/sessions/{id}`
pub(crate) async fn end_session(
    State(access): State<Access>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let mut found = access.sessions().list(&admin.viewer.tenant, Timestamp::now()).await?;
    found.retain(|session| id.len() >= LEAST_ID_CHARS && session.id.starts_with(&id));
    let [session] = &found[..] else {
        return Err(Error::NoSuchEntry("There is no such login. GET /admin/sessions lists them."));
    };
    access.sessions().end(&session.id).await?;
    admin.did(&access, "session.end", short(&session.id), json!(session.user), Value::Null).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/sessions/end`: everybody of the tenant logs in again, whoever asks included.
pub(crate) async fn end_all_sessions(State(access): State<Access>, admin: Admin) -> Result<Response, Error> {
    let tenant = &admin.viewer.tenant;
    let ended = Accounts::end_tenant_sessions(access.engine(), tenant, Timestamp::now()).await.map_err(Error::from)?;
    admin.did(&access, "session.end-all", tenant.as_str(), json!(ended), Value::Null).await?;
    Ok(json_answer(json!({ "ended": ended }).to_string()))
}

impl SessionRow {
    fn of(session: Session, viewer: &Viewer) -> Self {
        Self {
            current: session.id == viewer.session_id,
            id: session.id.chars().take(ID_CHARS).collect(),
            user: session.user,
            via: session.via,
            address: session.address.map(|address| address.to_string()),
            agent: session.agent,
            since: session.started_at.to_string(),
            last_seen_at: session.last_seen_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}
