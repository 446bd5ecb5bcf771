//! Whether the machines are well.

use axum::extract::State;
use axum::response::Response;
use ringside_model::Room;

use super::{json_answer, with_place};
use crate::error::Error;
use crate::extract::User;
use crate::hub::RoomReader;

/// `GET /analytics/system/health`
pub(crate) async fn show_system(State(reader): State<RoomReader>, User(viewer): User) -> Result<Response, Error> {
    let initial = reader.initial(&viewer, &Room::System).await?;
    Ok(json_answer(with_place(&initial)?.to_string()))
}
