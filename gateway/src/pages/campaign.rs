//! `GET /campaigns/{id}`: why, and what is to be done. One campaign with its limits and what was strange about it.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use ringside_model::{CampaignId, Room, Timestamp};
use ringside_wire::{CampaignJson, SeriesJson, StatusChangeBody};
use serde::Deserialize;

use super::alert::{Banner, banner};
use super::document::Document;
use super::event::{EventRow, event_rows};
use super::facts::{Definition, Fact, definitions, facts, oddities};
use super::format;
use super::frames::{AlertsInitial, CallsInitial, Frames};
use super::kpi::{Figures, Kpi};
use super::lane::Lane;
use super::outcomes::Outcomes;
use super::row::Status;
use super::shell::Shell;
use crate::error::Error;
use crate::extract::{PageViewer, Path};
use crate::pages::context::PageContext;

/// What a campaign's room starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CampaignInitial {
    campaign: Option<CampaignJson>,
    series: SeriesJson,
    statuses: Vec<StatusChangeBody>,
}

/// Everything a campaign's page shows.
#[derive(Template, WebTemplate)]
#[template(path = "campaign.html")]
pub(crate) struct CampaignPage {
    document: Document,
    shell: Shell,
    id: String,
    name: String,
    status: Status,
    severity: Option<&'static str>,
    made_at: String,
    banner: Option<Banner>,
    kpis: Vec<Kpi>,
    lanes: Vec<Lane>,
    outcomes: Outcomes,
    definitions: Vec<Definition>,
    facts: Vec<Fact>,
    oddities: Vec<Fact>,
    events: Vec<EventRow>,
    statuses: Vec<StatusRow>,
}

/// One change of status.
struct StatusRow {
    clock: String,
    at: String,
    text: String,
}

/// `GET /campaigns/{id}`.
pub(crate) async fn show_campaign(
    State(context): State<PageContext>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<CampaignPage, Error> {
    let id = CampaignId::parse(&id).map_err(|_| Error::NoSuchCampaign)?;
    let mut frames = Frames::default();
    let initial: CampaignInitial =
        frames.read(&context.reader, &viewer, &Room::Campaign(id.clone())).await.map_err(|refusal| {
            match refusal.into() {
                Error::ForbiddenRoom(_) => Error::NoSuchCampaign,
                error => error,
            }
        })?;
    let campaign = initial.campaign.ok_or(Error::NoSuchCampaign)?;
    let calls: CallsInitial = frames.read(&context.reader, &viewer, &Room::Calls(id)).await.unwrap_or_default();
    let alerts: AlertsInitial = frames.read(&context.reader, &viewer, &Room::Alerts).await.unwrap_or_default();
    let _notes: serde_json::Value =
        frames.read(&context.reader, &viewer, &Room::Notifications).await.unwrap_or_default();

    let names: HashMap<&str, &str> = HashMap::from([(&*campaign.campaign_id, &*campaign.name)]);
    let own: Vec<_> = alerts.open.iter().filter(|a| a.campaign_id == Some(campaign.campaign_id.clone())).collect();
    let worst = ["critical", "warning", "info"]
        .into_iter()
        .find(|severity| own.iter().any(|alert| &*alert.severity == *severity));
    let minutes = &initial.series.minutes;
    let figures = Figures::of_campaign(&campaign, minutes);
    let now = Timestamp::now();
    Ok(CampaignPage {
        document: Document::new("campaign", &*campaign.name, &headers, &context),
        shell: Shell::new(&viewer, &alerts, &frames),
        id: campaign.campaign_id.to_string(),
        name: campaign.name.to_string(),
        status: Status::of(&campaign.status),
        severity: worst,
        made_at: now.to_string(),
        banner: banner(&alerts.open, &names),
        kpis: vec![
            figures.active(),
            figures.queue(),
            figures.rate(),
            figures.answer(),
            figures.conversion(),
            figures.abandon_live(),
        ],
        lanes: vec![
            Lane::new("abandon", &figures.abandon_live(), 150, minutes),
            Lane::new("active", &figures.active(), 116, minutes),
            Lane::new("queue", &figures.queue(), 116, minutes),
            Lane::new("rate", &figures.rate(), 116, minutes),
        ],
        outcomes: Outcomes::of(&campaign.hour),
        definitions: definitions(&campaign),
        facts: facts(&campaign, now),
        oddities: oddities(&campaign.oddities),
        events: event_rows(&calls.calls, None),
        statuses: initial
            .statuses
            .iter()
            .rev()
            .take(8)
            .map(|change| StatusRow {
                clock: format::clock(&change.at).into(),
                at: change.at.to_string(),
                text: match &change.reason {
                    Some(reason) => {
                        format!("{} → {}, {reason}", Status::of(&change.from).word, Status::of(&change.to).word)
                    }
                    None => format!("{} → {}", Status::of(&change.from).word, Status::of(&change.to).word),
                },
            })
            .collect(),
    })
}
