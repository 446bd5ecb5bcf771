//! All campaigns in scope with their sums, and one of them.

use axum::extract::State;
use axum::response::Response;
use ringside_access::Viewer;
use ringside_model::{CampaignId, Room};

use super::{OverviewParts, json_answer, with_place};
use crate::error::Error;
use crate::extract::{Path, User};
use crate::hub::{Initial, RoomReader};

/// `GET /analytics/metrics`
pub(crate) async fn list_campaigns(State(reader): State<RoomReader>, User(viewer): User) -> Result<Response, Error> {
    let initial = reader.initial(&viewer, &Room::Overview).await?;
    let parts = OverviewParts::of(&initial)?;
    Ok(json_answer(format!(r#"{{"campaigns":{},"aggregate":{}}}"#, parts.campaigns.get(), parts.aggregate.get())))
}

/// `GET /analytics/campaigns/{id}/metrics`: the campaign's own members, and where its room goes on.
pub(crate) async fn show_campaign(
    State(reader): State<RoomReader>,
    User(viewer): User,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let (_, initial) = existing(&reader, &viewer, &id).await?;
    let whole = with_place(&initial)?;
    let mut campaign = whole["campaign"].clone();
    campaign["cursor"] = whole["cursor"].clone();
    Ok(json_answer(campaign.to_string()))
}

/// A campaign that is there and may be seen; anything else is the same 404.
pub(super) async fn existing(reader: &RoomReader, viewer: &Viewer, id: &str) -> Result<(CampaignId, Initial), Error> {
    let id = CampaignId::parse(id).map_err(|_| Error::NoSuchCampaign)?;
    if !viewer.scope.has(&id) {
        return Err(Error::NoSuchCampaign);
    }
    let initial = reader.initial(viewer, &Room::Campaign(id.clone())).await?;
    let body: serde_json::Value = serde_json::from_slice(&initial.body).map_err(|error| Error::internal(&error))?;
    if body["campaign"].is_null() { Err(Error::NoSuchCampaign) } else { Ok((id, initial)) }
}
