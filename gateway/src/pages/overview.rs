//! `GET /`: is anything wrong? All campaigns in scope, now, over the last hour, and row by row.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::future::join_all;
use ringside_access::Viewer;
use ringside_model::{CampaignId, Room, Timestamp};
use ringside_wire::{AggregateJson, CallChangeJson, CampaignJson, SeriesJson, SeriesPointJson};
use serde::Deserialize;

use super::alert::{AlertRow, Banner, alert_rows, banner};
use super::document::Document;
use super::event::{EventRow, SHOWN, event_rows};
use super::format;
use super::frames::{AlertsInitial, CallsInitial, Frames, MetricsInitial, SystemInitial, parse};
use super::health::{Host, hosts};
use super::kpi::{Figures, Kpi, campaigns_kpi};
use super::lane::Lane;
use super::metric::{MetricCard, cards};
use super::outcomes::Outcomes;
use super::row::{Row, StatusChip, rows};
use super::shell::Shell;
use crate::error::Error;
use crate::extract::PageViewer;
use crate::hub::RoomReader;
use crate::pages::context::PageContext;

/// The feed follows the calls of this many campaigns; with more, of the busiest.
pub(super) const FEED_CAMPAIGNS: usize = 40;

/// What the overview room starts with.
#[derive(Debug, Deserialize)]
pub(super) struct OverviewInitial {
    /// All in scope.
    pub campaigns: Vec<CampaignJson>,
    /// Their sum.
    pub aggregate: AggregateJson,
    /// Charts of the sum.
    #[serde(default)]
    pub series: SeriesJson,
}

/// Everything the overview shows.
#[derive(Template, WebTemplate)]
#[template(path = "overview.html")]
pub(crate) struct OverviewPage {
    document: Document,
    shell: Shell,
    made_at: String,
    banner: Option<Banner>,
    now: Vec<Kpi>,
    hour: Vec<Kpi>,
    lanes: Vec<Lane>,
    outcomes: Outcomes,
    rows: Vec<Row>,
    chips: Vec<StatusChip>,
    cards: Vec<MetricCard>,
    events: Vec<EventRow>,
    hosts: Vec<Host>,
    degraded: usize,
    alerts: Vec<AlertRow>,
}

/// `GET /`.
pub(crate) async fn show_overview(
    State(context): State<PageContext>,
    PageViewer(viewer): PageViewer,
    headers: HeaderMap,
) -> Result<OverviewPage, Error> {
    let mut frames = Frames::default();
    let overview: Option<OverviewInitial> = frames.read(&context.reader, &viewer, &Room::Overview).await?;
    let overview = overview.ok_or(Error::Unavailable)?;
    let metrics: MetricsInitial = frames.read(&context.reader, &viewer, &Room::Metrics).await.unwrap_or_default();
    let system: SystemInitial = frames.read(&context.reader, &viewer, &Room::System).await.unwrap_or_default();
    let alerts: AlertsInitial = frames.read(&context.reader, &viewer, &Room::Alerts).await.unwrap_or_default();
    let _notes: serde_json::Value =
        frames.read(&context.reader, &viewer, &Room::Notifications).await.unwrap_or_default();
    let busiest = busiest(&overview.campaigns);
    let calls = newest_calls(&context.reader, &viewer, &busiest, &mut frames).await;
    let minutes = minutes_of(&context.reader, &viewer, &busiest).await;

    let names: HashMap<&str, &str> = overview.campaigns.iter().map(|c| (&*c.campaign_id, &*c.name)).collect();
    let figures = Figures::of_aggregate(&overview.aggregate, &overview.series.minutes);
    let (rows, chips) = rows(&overview.campaigns, |id| minutes.get(id).cloned());
    let (hosts, degraded) = hosts(&system.hosts);
    Ok(OverviewPage {
        document: Document::new("overview", "Overview", &headers, &context),
        shell: Shell::new(&viewer, &alerts, &frames),
        made_at: Timestamp::now().to_string(),
        banner: banner(&alerts.open, &names),
        now: vec![
            figures.active(),
            figures.queue(),
            figures.rate(),
            campaigns_kpi(&overview.aggregate, &overview.campaigns),
        ],
        hour: vec![figures.attempts(), figures.answer(), figures.conversion(), figures.abandon_hour()],
        lanes: vec![
            Lane::new("active", &figures.active(), 160, &overview.series.minutes),
            Lane::new("queue", &figures.queue(), 128, &overview.series.minutes),
            Lane::new("rate", &figures.rate(), 128, &overview.series.minutes),
        ],
        outcomes: Outcomes::of(&overview.aggregate.hour),
        rows,
        chips,
        cards: cards(&metrics.metrics, &metrics.series),
        events: event_rows(&calls, Some(&names)),
        hosts,
        degraded,
        alerts: alert_rows(&alerts.alerts, &names),
    })
}

/// The campaigns that the feed follows.
pub(super) fn busiest(campaigns: &[CampaignJson]) -> Vec<CampaignId> {
    let mut sorted: Vec<&CampaignJson> = campaigns.iter().collect();
    sorted.sort_by_key(|c| std::cmp::Reverse((c.active_calls, c.attempts_60s)));
    sorted.iter().take(FEED_CAMPAIGNS).filter_map(|c| CampaignId::parse(&c.campaign_id).ok()).collect()
}

/// The newest calls over some campaigns. Only those that the page shows are embedded, so that a busy floor doesn't
/// weigh down the first load.
async fn newest_calls(
    reader: &RoomReader,
    viewer: &Viewer,
    campaigns: &[CampaignId],
    frames: &mut Frames,
) -> Vec<CallChangeJson> {
    let rooms: Vec<Room> = campaigns.iter().cloned().map(Room::Calls).collect();
    let initials = join_all(rooms.iter().map(|room| reader.initial(viewer, room))).await;
    let read: Vec<_> = initials
        .into_iter()
        .flatten()
        .map(|initial| {
            let calls: CallsInitial = parse(&initial);
            (initial, calls.calls)
        })
        .collect();
    let mut moments: Vec<Box<str>> = read.iter().flat_map(|(_, calls)| calls.iter().map(|c| c.at.clone())).collect();
    moments.sort_by(|a, b| b.cmp(a));
    let oldest = moments.get(SHOWN * 2).cloned();
    let mut shown = Vec::new();
    for (initial, calls) in read {
        let kept: Vec<CallChangeJson> =
            calls.into_iter().filter(|call| oldest.as_ref().is_none_or(|oldest| call.at > *oldest)).collect();
        shown.extend(kept.iter().cloned());
        frames.keep_calls(&initial, kept);
    }
    shown
}

/// The last hour of some campaigns, for the table's sparklines.
pub(super) async fn minutes_of(
    reader: &RoomReader,
    viewer: &Viewer,
    campaigns: &[CampaignId],
) -> HashMap<String, Vec<SeriesPointJson>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct WithSeries {
        series: SeriesJson,
    }
    let rooms: Vec<Room> = campaigns.iter().cloned().map(Room::Campaign).collect();
    let initials = join_all(rooms.iter().map(|room| reader.initial(viewer, room))).await;
    campaigns
        .iter()
        .zip(initials)
        .filter_map(|(id, initial)| Some((id.to_string(), parse::<WithSeries>(&initial.ok()?).series.minutes)))
        .collect()
}
