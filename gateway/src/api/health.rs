//! Whether the machines are well.

use axum::extract::State;
use axum::response::Response;
use ringside_access::Viewer;
use ringside_model::Room;

use super::{json_answer, with_place};
use crate::error::Error;
use crate::gateway::Gateway;

/// `GET /analytics/system/health`
pub(crate) async fn show_system(State(gateway): State<Gateway>, viewer: Viewer) -> Result<Response, Error> {
    let initial = gateway.initial(&viewer, &Room::System).await?;
    Ok(json_answer(with_place(&initial)?.to_string()))
}
