//! `GET /campaigns`: the table alone.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use ringside_model::Room;

use super::alert::{Banner, banner};
use super::document::Document;
use super::frames::{AlertsInitial, Frames};
use super::overview::{OverviewInitial, busiest, minutes_of};
use super::row::{Row, StatusChip, rows};
use super::shell::Shell;
use crate::error::Error;
use crate::extract::PageViewer;
use crate::pages::context::PageContext;

/// Everything the list shows.
#[derive(Template, WebTemplate)]
#[template(path = "campaigns.html")]
pub(crate) struct CampaignsPage {
    document: Document,
    shell: Shell,
    banner: Option<Banner>,
    rows: Vec<Row>,
    chips: Vec<StatusChip>,
}

/// `GET /campaigns`.
pub(crate) async fn list_campaigns(
    State(context): State<PageContext>,
    PageViewer(viewer): PageViewer,
    headers: HeaderMap,
) -> Result<CampaignsPage, Error> {
    let mut frames = Frames::default();
    let overview: Option<OverviewInitial> = frames.read(&context.reader, &viewer, &Room::Overview).await?;
    let overview = overview.ok_or(Error::Unavailable)?;
    let alerts: AlertsInitial = frames.read(&context.reader, &viewer, &Room::Alerts).await.unwrap_or_default();
    let _notes: serde_json::Value =
        frames.read(&context.reader, &viewer, &Room::Notifications).await.unwrap_or_default();
    let minutes = minutes_of(&context.reader, &viewer, &busiest(&overview.campaigns)).await;
    let names: HashMap<&str, &str> = overview.campaigns.iter().map(|c| (&*c.campaign_id, &*c.name)).collect();
    let (rows, chips) = rows(&overview.campaigns, |id| minutes.get(id).cloned());
    Ok(CampaignsPage {
        document: Document::new("campaigns", "Campaigns", &headers, &context),
        shell: Shell::new(&viewer, &alerts, &frames),
        banner: banner(&alerts.open, &names),
        rows,
        chips,
    })
}
