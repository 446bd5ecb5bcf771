//! `/admin/tokens`: tokens that last, for scripts and for screens on a wall.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringside_access::{Access, ApiToken, ApiTokenError, ApiTokenRequest, CampaignsJson, Page, Role, Scope, Viewer};
use ringside_engine::EngineError;
use ringside_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::json_answer;
use super::{Admin, Reviewer, list_answer, read_body, read_scope};
use crate::error::Error;
use crate::extract::{Body, Path};

/// The longest life of a token that has an end.
const MOST_DAYS: u32 = 3_650;

/// A token, without its text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiTokenRow {
    pub(crate) id: String,
    /// `script` or `wallboard`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) campaigns: CampaignsJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: String,
    pub(crate) expires_at: Option<String>,
}

/// All tokens of the viewer's tenant, the oldest first.
pub(crate) async fn api_tokens_of(access: &Access, viewer: &Viewer) -> Result<Vec<ApiTokenRow>, Error> {
    Ok(access.api_tokens().list(&viewer.tenant).await.map_err(error_of)?.iter().map(ApiTokenRow::from).collect())
}

/// `GET /admin/tokens`
pub(crate) async fn list_api_tokens(State(access): State<Access>, reviewer: Reviewer) -> Result<Response, Error> {
    Ok(list_answer("tokens", &api_tokens_of(&access, &reviewer.viewer).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPass {
    kind: String,
    name: String,
    role: Option<String>,
    campaigns: Option<CampaignsJson>,
    page: Option<String>,
    days: Option<u32>,
}

/// `POST /admin/tokens`: its text is in the answer and nowhere else.
pub(crate) async fn issue_api_token(
    State(access): State<Access>,
    admin: Admin,
    Body(body): Body,
) -> Result<Response, Error> {
    let wanted = "Send {\"kind\":\"script\",\"name\":\"…\",\"role\":\"viewer\",\"campaigns\":\"*\"} or \
        {\"kind\":\"wallboard\",\"name\":\"…\",\"page\":\"overview\"}; days says how long it lasts.";
    let NewPass { kind, name, role, campaigns, page, days } = read_body(&body, wanted)?;
    let role = match (kind.as_str(), &role) {
        ("wallboard", None) => Role::Wallboard,
        ("script", Some(role)) => Role::of_person(role).ok_or_else(|| Error::BadRequest(wanted.to_owned()))?,
        _ => return Err(Error::BadRequest(wanted.to_owned())),
    };
    if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(Error::BadRequest(format!("days is 1 to {MOST_DAYS}; without it the token never ends.")));
    }
    let page: Option<Page> = page
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::BadRequest("page is overview, or campaign: and a campaign's id.".to_owned()))?;
    let scope = campaigns.as_ref().map(read_scope).transpose()?.unwrap_or(Scope::All);
    let request = ApiTokenRequest {
        name: name.trim().to_owned(),
        tenant: admin.viewer.tenant.clone(),
        role,
        scope,
        page,
        created_by: admin.viewer.user.clone(),
        days,
    };
    let (text, token) = access.api_tokens().issue(request, Timestamp::now()).await.map_err(error_of)?;
    admin.did(&access, "token.issue", &token.id, Value::Null, token.audited()).await?;
    let answer = json!({ "token": ApiTokenRow::from(&token), "text": text });
    Ok((StatusCode::CREATED, json_answer(answer.to_string())).into_response())
}

/// `DELETE /admin/tokens/{id}`: it ends at once, and so does what was logged in with it.
pub(crate) async fn revoke_api_token(
    State(access): State<Access>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let token = access.api_tokens().revoke(&admin.viewer.tenant, &id).await.map_err(error_of)?;
    admin.did(&access, "token.revoke", &token.id, token.audited(), Value::Null).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<&ApiToken> for ApiTokenRow {
    fn from(token: &ApiToken) -> Self {
        Self {
            id: token.id.clone(),
            kind: if token.role == Role::Wallboard { "wallboard" } else { "script" },
            name: token.name.clone(),
            role: token.role.as_str(),
            campaigns: (&token.scope).into(),
            page: token.page.as_ref().map(ToString::to_string),
            created_by: token.created_by.clone(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|end| end.to_string()),
        }
    }
}

/// What a token's error is to who sits at a browser.
fn error_of(error: ApiTokenError) -> Error {
    match error {
        ApiTokenError::BadName => Error::BadRequest("A token's name is 1 to 64 characters: what it is for.".to_owned()),
        ApiTokenError::BadPage => Error::BadRequest(
            "A wallboard's token is for a page (overview, or campaign:ID), and no other is.".to_owned(),
        ),
        ApiTokenError::TooMuch => Error::BadRequest(
            "A token can't be an admin's. Issue one for a supervisor, an operator, an auditor or a viewer.".to_owned(),
        ),
        ApiTokenError::NoSuchToken(_) => Error::NoSuchEntry("There is no such token. GET /admin/tokens lists them."),
        ApiTokenError::Engine(error @ EngineError::Unavailable(_)) => error.into(),
        ApiTokenError::Engine(error) => Error::internal(&error),
    }
}
