//! `/admin/keys`: API keys, by which sources send events.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringside_access::{Access, ApiKey, KeyError, Secret, Viewer};
use ringside_engine::EngineError;
use ringside_model::SourceId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::json_answer;
use super::{Admin, Reviewer, list_answer, read_body};
use crate::error::Error;
use crate::extract::{Body, Path};

/// How much of a key's id names it here.
const ID_CHARS: usize = 12;
const NAME_CHARS: usize = 64;

/// An API key, without the key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) created_at: String,
    /// True where each delivery has to be signed.
    pub(crate) signed: bool,
}

/// All keys of the viewer's tenant, the oldest first.
pub(crate) async fn keys_of(access: &Access, viewer: &Viewer) -> Result<Vec<KeyRow>, Error> {
    let keys = access.keys().list(Some(&viewer.tenant)).await.map_err(error_of)?;
    Ok(keys.iter().map(KeyRow::from).collect())
}

/// `GET /admin/keys`
pub(crate) async fn list_keys(State(access): State<Access>, reviewer: Reviewer) -> Result<Response, Error> {
    Ok(list_answer("keys", &keys_of(&access, &reviewer.viewer).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    source: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    signed: bool,
}

/// `POST /admin/keys`: the key, and the secret of one that signs, are in the answer and nowhere else.
pub(crate) async fn issue_key(State(access): State<Access>, admin: Admin, Body(body): Body) -> Result<Response, Error> {
    let wanted = "Send {\"source\":\"pbx-1\",\"name\":\"…\"}; \"signed\":true asks for signed deliveries.";
    let NewKey { source, name, signed } = read_body(&body, wanted)?;
    let source = SourceId::parse(source.trim())
        .map_err(|_| Error::BadRequest("source is 1 to 64 letters, digits, '.', '_' or '-'.".to_owned()))?;
    let name = name.trim();
    if name.chars().count() > NAME_CHARS || name.contains(char::is_control) {
        return Err(Error::BadRequest(format!("A key's name has at most {NAME_CHARS} characters, in one line.")));
    }
    let secrets: Vec<Secret> = signed.then(Secret::generate).into_iter().collect();
    let secret = secrets.first().map(Secret::reveal);
    let issued = access.keys().issue(&admin.viewer.tenant, &source, name, secrets).await.map_err(error_of)?;
    let key = KeyRow::from(&issued.record);
    admin.did(&access, "key.issue", &key.id, Value::Null, about(&key)).await?;
    let answer = json!({ "key": key, "text": issued.key, "secret": secret });
    Ok((StatusCode::CREATED, json_answer(answer.to_string())).into_response())
}

/// `DELETE /admin/keys/{id}`: collectors notice within seconds.
pub(crate) async fn revoke_key(
    State(access): State<Access>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let mut found = access.keys().list(Some(&admin.viewer.tenant)).await.map_err(error_of)?;
    found.retain(|key| id.len() >= ID_CHARS && key.id.starts_with(&id));
    let [key] = &found[..] else {
        return Err(Error::NoSuchEntry("There is no such API key. GET /admin/keys lists them."));
    };
    access.keys().revoke(&key.id).await.map_err(error_of)?;
    let key = KeyRow::from(key);
    admin.did(&access, "key.revoke", &key.id, about(&key), Value::Null).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<&ApiKey> for KeyRow {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.chars().take(ID_CHARS).collect(),
            source: key.source.to_string(),
            name: key.name.clone(),
            created_at: key.created_at.to_string(),
            signed: !key.secrets.is_empty(),
        }
    }
}

fn about(key: &KeyRow) -> Value {
    json!({ "source": key.source, "name": key.name, "signed": key.signed })
}

/// What a key's error is to who sits at a browser: nothing of what they do can be at fault.
fn error_of(error: KeyError) -> Error {
    match error {
        KeyError::Engine(error @ EngineError::Unavailable(_)) => error.into(),
        error => Error::internal(&error),
    }
}
