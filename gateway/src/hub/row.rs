//! A campaign's row of the overview: its JSON as the campaign's own room has it, and what can be summed of it.

use bytes::Bytes;
use ringside_model::CampaignMetrics;
use ringside_wire::CampaignJson;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A campaign's newest numbers, read once for all overviews.
#[derive(Debug)]
pub(crate) struct Row {
    /// The very text that the collector wrote.
    pub(crate) json: Bytes,
    /// The same as numbers.
    pub(crate) metrics: CampaignMetrics,
}

impl Row {
    /// Reads the body of a campaign's `metrics_update`; nothing where it makes no sense.
    pub(crate) fn read(body: &Bytes) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            campaign: &'a RawValue,
        }
        let raw = serde_json::from_slice::<Body<'_>>(body).ok()?.campaign.get();
        let json: CampaignJson = serde_json::from_str(raw).ok()?;
        Some(Self { json: body.slice_ref(raw.as_bytes()), metrics: json.to_model()? })
    }

    /// True where the other says something else than that time has passed.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let mut same_time = other.metrics.clone();
        same_time.as_of = self.metrics.as_of;
        same_time != self.metrics
    }
}
