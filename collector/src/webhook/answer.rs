//! The response to a delivery: totals, and the rejected events by index.

use axum::Json;
use axum::response::{IntoResponse, Response};
use ringside_intake::{Receipt, Rejection};
use serde::Serialize;

/// Sums up the receipts of a delivery's parts.
#[derive(Debug, Default)]
pub(super) struct Answer {
    accepted: usize,
    duplicates: usize,
    rejected: Vec<Rejection>,
    rejected_count: usize,
    /// How many rejections to list at most; the others are only counted.
    listed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerJson<'a> {
    accepted: usize,
    duplicates: usize,
    rejected: Vec<RejectionJson<'a>>,
    rejected_count: usize,
}

#[derive(Serialize)]
struct RejectionJson<'a> {
    index: usize,
    code: &'a str,
    message: &'a str,
}

impl Answer {
    pub(super) fn listing_up_to(listed: usize) -> Self {
        Self { listed, ..Self::default() }
    }

    pub(super) fn add(&mut self, receipt: Receipt) {
        self.accepted += receipt.accepted;
        self.duplicates += receipt.duplicates;
        self.rejected_count += receipt.rejected.len();
        let free = self.listed.saturating_sub(self.rejected.len());
        self.rejected.extend(receipt.rejected.into_iter().take(free));
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let rejected = self
            .rejected
            .iter()
            .map(|Rejection { index, code, message }| RejectionJson { index: *index, code, message })
            .collect();
        Json(AnswerJson {
            accepted: self.accepted,
            duplicates: self.duplicates,
            rejected,
            rejected_count: self.rejected_count,
        })
        .into_response()
    }
}
