#![doc = include_str!("../README.md")]

mod alert;
mod call;
mod campaign;
mod cause;
mod clock;
mod counters;
mod event;
mod health;
mod histogram;
mod id;
mod metric;
mod notification;
mod oddities;
mod phone;
mod ratio;
mod room;
mod time;

pub use alert::{Alert, AlertState, Comparison, Severity};
pub use call::{Amd, CallChange, CallPhase, Disposition, Outcome};
pub use campaign::{
    AbandonRates, ActiveCalls, AgentCounts, Aggregate, CampaignMetrics, CampaignStatus, Durations, SeriesPoint,
    StatusChange,
};
pub use cause::{CallResult, EndedBy, FailureReason};
pub use clock::{Clock, system_clock};
pub use counters::{Counter, Counters};
pub use event::{CallEvent, CallFact, CampaignEvent, DerivedEvent, Event, EventKind, Gauges, MetricSample};
pub use health::{Disk, HostHealth, Memory, Network};
pub use histogram::Histogram;
pub use id::{AgentId, BadId, CallId, CampaignId, EventId, SourceId, TenantId};
pub use metric::{MetricKey, MetricStats, Trend};
pub use notification::Notification;
pub use oddities::Oddities;
pub use phone::{holds_phone_number, mask_phone_number, mask_phone_numbers};
pub use ratio::Ratio;
pub use room::{BadCursor, BadRoom, Cursor, Epoch, Room};
pub use time::Timestamp;
