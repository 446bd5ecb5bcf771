//! Single questions, answered from the same rooms that are watched live.

mod admin;
mod bench;
mod calls;
mod campaigns;
mod connections;
mod dashboard;
mod metrics;
mod system;

pub(crate) use admin::*;
pub(crate) use bench::{BODY_BYTES, publish_bench};
pub(crate) use calls::list_calls;
pub(crate) use campaigns::{list_campaigns, show_campaign};
pub(crate) use connections::list_connections;
pub(crate) use dashboard::show_dashboard;
pub(crate) use metrics::{show_latest, show_recent, show_stats};
pub(crate) use system::show_system;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ringside_access::Viewer;
use ringside_model::Room;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::hub::{Initial, MetricsInitial, RoomReader};

/// A body that is JSON already.
fn json_answer(body: impl Into<Bytes>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, body.into()).into_response()
}

/// The overview's two parts that single answers want, as they are on the wire.
#[derive(Deserialize)]
struct OverviewParts<'a> {
    #[serde(borrow)]
    campaigns: &'a RawValue,
    #[serde(borrow)]
    aggregate: &'a RawValue,
}

impl<'a> OverviewParts<'a> {
    fn of(initial: &'a Initial) -> Result<Self, Error> {
        serde_json::from_slice(&initial.body).map_err(|error| Error::internal(&error))
    }
}

/// An `initial` with its room's cursor and age beside its members.
fn with_place(initial: &Initial) -> Result<Value, Error> {
    let mut body: Value = serde_json::from_slice(&initial.body).map_err(|error| Error::internal(&error))?;
    body["asOf"] = Value::String(initial.at.to_string());
    body["cursor"] = initial.cursor.map_or(Value::Null, |cursor| Value::String(cursor.to_string()));
    Ok(body)
}

async fn metrics_of(reader: &RoomReader, viewer: &Viewer) -> Result<MetricsInitial, Error> {
    let initial = reader.initial(viewer, &Room::Metrics).await?;
    serde_json::from_slice(&initial.body).map_err(|error| Error::internal(&error))
}
