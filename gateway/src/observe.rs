//! What the gateway counts of itself. No user and no room is ever a label.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, gauge, histogram};
use ringside_shared::model::Timestamp;

/// Counts a connection for as long as it is there.
pub(crate) struct Connected(&'static str);

impl Connected {
    pub(crate) fn by(transport: &'static str) -> Self {
        gauge!("ringside_gateway_connections", "transport" => transport).increment(1.0);
        counter!("ringside_gateway_connections_total", "transport" => transport).increment(1);
        Self(transport)
    }

    /// Frames were given to the transport; `oldest` is when the oldest of their contents was made.
    pub(crate) fn sent(&self, frames: usize, oldest: Option<Timestamp>) {
        counter!("ringside_gateway_frames_sent_total", "transport" => self.0).increment(frames as u64);
        if let Some(oldest) = oldest {
            let age = Duration::from_millis(Timestamp::now().since(oldest).max(0) as u64);
            histogram!("ringside_gateway_data_age_seconds", "transport" => self.0).record(age.as_secs_f64());
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        gauge!("ringside_gateway_connections", "transport" => self.0).decrement(1.0);
    }
}

/// States that were superseded and events that a slow client was told it skips.
pub(crate) fn left_out(conflated: u64, skipped: u64) {
    if conflated > 0 {
        counter!("ringside_gateway_conflated_total").increment(conflated);
    }
    if skipped > 0 {
        counter!("ringside_gateway_skipped_total").increment(skipped);
    }
}

/// A client came with a cursor.
pub(crate) fn resume_began() {
    counter!("ringside_gateway_resumes_total").increment(1);
}

/// A client was too slow to be kept.
pub(crate) fn closed_slow() {
    counter!("ringside_gateway_slow_closes_total").increment(1);
}

/// Counts requests by route, not by address: there are few routes.
pub(crate) async fn count_requests(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().into());
    let method = request.method().as_str().to_owned();
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    counter!("ringside_gateway_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    histogram!("ringside_gateway_http_seconds", "route" => route).record(began.elapsed().as_secs_f64());
    response
}
