#![doc = include_str!("../README.md")]

mod alert;
mod call;
mod campaign;
mod client;
mod counters;
mod event;
mod frame;
mod health;
mod metric;
mod notification;
mod overview;
mod record;
mod series;
mod status;

pub use alert::{AlertJson, AlertsBody, AlertsSnapshot};
pub use call::{CallChangeJson, CallsBody};
pub use campaign::{
    AbandonJson, ActiveJson, CampaignBody, CampaignJson, CampaignSnapshot, DurationsJson, OdditiesJson,
};
pub use client::{BadClientMessage, ClientMessage, ClientRequest};
pub use counters::{CountersJson, OutcomesJson, RatioJson, RatiosJson, SpanJson};
pub use event::{AgentsJson, BadEvent, EventJson};
pub use frame::{body_bytes, compose_frame, frame_kind, with_conflated};
pub use health::{DiskJson, HostJson, SystemBody};
pub use metric::{MetricJson, MetricPointJson, MetricsBody, MetricsSnapshot};
pub use notification::{NotificationBody, NotificationJson};
pub use overview::{AggregateJson, DirectoryBody, DirectoryEntryJson, OverviewBody, OverviewSnapshot};
pub use record::{BadRecord, Record};
pub use series::{SeriesJson, SeriesPointJson};
pub use status::{StatusChangeBody, status_from_text, status_text};
