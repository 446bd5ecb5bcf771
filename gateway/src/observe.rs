//! What the gateway counts of itself. No user and no room is ever a label.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use ringside_model::Timestamp;
use tracing::{debug, info};

use crate::data_age::Ages;

/// Says what each of them is, and shows them from the start: what is not there can't be told from what never happened.
pub(crate) fn begin() {
    describe_gauge!("ringside_gateway_connections", "Connections that are open, by transport");
    describe_counter!("ringside_gateway_connections_total", "Connections that were opened, by transport");
    describe_counter!("ringside_gateway_connects_refused_total", "Live connections that were not let in, by reason");
    describe_counter!("ringside_gateway_closes_total", "Connections that this gateway closed, by close code");
    describe_gauge!("ringside_gateway_queue_bytes", "What waits to be written, of all connections");
    describe_gauge!("ringside_gateway_queue_bytes_max", "What waits to be written, of the connection that has most");
    describe_gauge!("ringside_gateway_paced", "Connections by the pace that they get states at");
    describe_counter!("ringside_gateway_gaps_total", "Gaps that were found in rooms, by reason and whether repaired");
    describe_gauge!("ringside_gateway_memory_bytes", "What this process has resident");
    describe_gauge!("ringside_gateway_memory_limit_bytes", "What it may have");
    describe_counter!("ringside_gateway_frames_sent_total", "Frames that were given to a transport");
    describe_counter!(
        "ringside_gateway_conflated_total",
        "States that were superseded before a client could take them"
    );
    describe_counter!("ringside_gateway_skipped_total", "Events that slow clients were told they skip");
    describe_counter!(
        "ringside_gateway_slow_closes_total",
        "Connections that were closed because nothing could be written"
    );
    describe_counter!(
        "ringside_gateway_resumes_total",
        "Cursors that clients came with, by what they were served from"
    );
    describe_counter!("ringside_gateway_resets_total", "Cursors that could not be served, by reason");
    describe_counter!("ringside_gateway_http_requests_total", "Requests, by route, method and status");
    describe_histogram!("ringside_gateway_http_seconds", "Time to the head of an answer, by route");
    describe_counter!("ringside_gateway_logins_total", "Tries to log in, by result");
    describe_counter!("ringside_gateway_renewals_total", "Logins that were renewed, by result");
    for transport in ["websocket", "sse", "poll"] {
        gauge!("ringside_gateway_connections", "transport" => transport).increment(0.0);
        counter!("ringside_gateway_connections_total", "transport" => transport).increment(0);
        counter!("ringside_gateway_frames_sent_total", "transport" => transport).increment(0);
    }
    for source in [ResumedFrom::Ring, ResumedFrom::Stream, ResumedFrom::Snapshot] {
        counter!("ringside_gateway_resumes_total", "source" => source.name()).increment(0);
    }
    for result in ["ok", "wrong", "locked", "too_many", "bad_token", "no_access"] {
        counter!("ringside_gateway_logins_total", "result" => result).increment(0);
    }
    for result in ["ok", "unknown", "reused", "refused"] {
        counter!("ringside_gateway_renewals_total", "result" => result).increment(0);
    }
    for reason in ["too_old", "other_epoch", "from_future"] {
        counter!("ringside_gateway_resets_total", "reason" => reason).increment(0);
    }
    for reason in ["rate", "memory", "draining"] {
        counter!("ringside_gateway_connects_refused_total", "reason" => reason).increment(0);
    }
    for code in [4401, 4403, 4408, 4503, 4508, 4600] {
        counter!("ringside_gateway_closes_total", "code" => code_label(code)).increment(0);
    }
    for reason in [Gap::Missed, Gap::Epoch, Gap::Contradiction, Gap::Position] {
        gaps(reason, true).increment(0);
        gaps(reason, false).increment(0);
    }
    for pace in PACES {
        paced(pace).increment(0.0);
    }
    gauge!("ringside_gateway_queue_bytes").increment(0.0);
    gauge!("ringside_gateway_queue_bytes_max").increment(0.0);
    gauge!("ringside_gateway_memory_bytes").increment(0.0);
    gauge!("ringside_gateway_memory_limit_bytes").increment(0.0);
    counter!("ringside_gateway_conflated_total").increment(0);
    counter!("ringside_gateway_skipped_total").increment(0);
    counter!("ringside_gateway_slow_closes_total").increment(0);
}

/// Somebody who wanted a live connection was sent away.
pub(crate) fn refused(reason: &'static str) {
    counter!("ringside_gateway_connects_refused_total", "reason" => reason).increment(1);
}

/// What memory this process takes, and what it may take.
pub(crate) fn memory(used: u64, limit: Option<u64>) {
    gauge!("ringside_gateway_memory_bytes").set(used as f64);
    if let Some(limit) = limit {
        gauge!("ringside_gateway_memory_limit_bytes").set(limit as f64);
    }
}

/// What waits to be written, as the ledger has just added it up: all of it, and what the slowest has.
pub(crate) fn queues((sum, most): (usize, usize)) {
    gauge!("ringside_gateway_queue_bytes").set(sum as f64);
    gauge!("ringside_gateway_queue_bytes_max").set(most as f64);
}

/// A fault of a room's ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Frames did not come.
    Missed,
    /// The room has begun anew.
    Epoch,
    /// Two frames have the same place.
    Contradiction,
    /// The room has less than what is here, or not any more what comes after it.
    Position,
}

impl Gap {
    fn name(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Epoch => "epoch",
            Self::Contradiction => "contradiction",
            Self::Position => "position",
        }
    }
}

/// A room had a gap; it was repaired from its history, or who watches had to begin anew.
pub(crate) fn gap(gap: Gap, repaired: bool) {
    gaps(gap, repaired).increment(1);
}

fn gaps(gap: Gap, repaired: bool) -> Counter {
    let repaired = if repaired { "yes" } else { "no" };
    counter!("ringside_gateway_gaps_total", "reason" => gap.name(), "repaired" => repaired)
}

/// What the paces are called that connections are written to at, the fastest first.
pub(crate) const PACES: [&str; 4] = ["full", "250ms", "1s", "2s"];

/// How many connections go at this pace.
pub(crate) fn paced(pace: &'static str) -> Gauge {
    gauge!("ringside_gateway_paced", "pace" => pace)
}

/// A close code as a label; there are few.
fn code_label(code: u16) -> &'static str {
    match code {
        1002 => "1002",
        1007 => "1007",
        4401 => "4401",
        4403 => "4403",
        4408 => "4408",
        4503 => "4503",
        4508 => "4508",
        4600 => "4600",
        _ => "other",
    }
}

/// Counts a connection for as long as it is there, and tells its life to the log when it ends.
pub(crate) struct Connected {
    transport: &'static str,
    connection: u64,
    opened: Instant,
    // Looked up once: each look-up costs more than what is counted.
    open: Gauge,
    frames: Counter,
    life: Life,
    end: Option<(u16, &'static str)>,
}

/// What a connection was given.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Life {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) conflated: u64,
    pub(crate) skipped: u64,
}

impl Connected {
    /// `connection` is its number in the ledger.
    pub(crate) fn by(transport: &'static str, connection: u64) -> Self {
        counter!("ringside_gateway_connections_total", "transport" => transport).increment(1);
        let open = gauge!("ringside_gateway_connections", "transport" => transport);
        open.increment(1.0);
        debug!(transport, connection, "a connection was opened");
        Self {
            transport,
            connection,
            opened: Instant::now(),
            open,
            frames: counter!("ringside_gateway_frames_sent_total", "transport" => transport),
            life: Life::default(),
            end: None,
        }
    }

    /// Frames were given to the transport; `oldest` is when the oldest of their contents was published.
    pub(crate) fn sent(&mut self, frames: usize, oldest: Option<Timestamp>) {
        self.life.frames += frames as u64;
        self.frames.increment(frames as u64);
        let mut ages = Ages::default();
        if let Some(oldest) = oldest {
            ages.add(Timestamp::now().since(oldest));
        }
        ages.flush(self.transport);
    }

    /// They were so long.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.life.bytes += bytes as u64;
    }

    /// Some were left out, which [`left_out`] has counted.
    pub(crate) fn left_out(&mut self, (conflated, skipped): (u64, u64)) {
        self.life.conflated += conflated;
        self.life.skipped += skipped;
    }

    /// All of what it was given, where that was counted elsewhere.
    pub(crate) fn lived(&mut self, life: Life) {
        self.life = life;
    }

    /// It is we who end it, with this close code (which a stream has for us alone) and for this reason.
    pub(crate) fn ends(&mut self, code: u16, reason: &'static str) {
        self.end = Some((code, reason));
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.open.decrement(1.0);
        let (transport, connection) = (self.transport, self.connection);
        let age_ms = self.opened.elapsed().as_millis() as u64;
        let Life { frames, bytes, conflated, skipped } = self.life;
        match self.end {
            Some((code, end)) => {
                counter!("ringside_gateway_closes_total", "code" => code_label(code)).increment(1);
                info!(
                    transport,
                    connection, age_ms, frames, bytes, conflated, skipped, code, end, "a connection was closed"
                );
            }
            None => {
                let end = "the client went";
                debug!(transport, connection, age_ms, frames, bytes, conflated, skipped, end, "a connection ended");
            }
        }
    }
}

/// Frames were given to a transport.
pub(crate) fn sent(transport: &'static str, frames: u64) {
    counter!("ringside_gateway_frames_sent_total", "transport" => transport).increment(frames);
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

/// Where somebody who came with a cursor gets what was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumedFrom {
    /// From memory.
    Ring,
    /// From the engine's history, and then from memory.
    Stream,
    /// Nowhere: the room begins anew.
    Snapshot,
}

impl ResumedFrom {
    fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Stream => "stream",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A client came with a cursor.
pub(crate) fn resumed(from: ResumedFrom) {
    counter!("ringside_gateway_resumes_total", "source" => from.name()).increment(1);
}

/// A place in a room could not be gone on from.
pub(crate) fn reset(reason: &'static str) {
    counter!("ringside_gateway_resets_total", "reason" => reason).increment(1);
}

/// A client was too slow to be kept.
pub(crate) fn closed_slow() {
    counter!("ringside_gateway_slow_closes_total").increment(1);
}

/// Counts requests by route, not by address: there are few routes.
pub(crate) async fn count_requests(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().into());
    let method = known_method(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    counter!("ringside_gateway_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    histogram!("ringside_gateway_http_seconds", "route" => route).record(began.elapsed().as_secs_f64());
    response
}

/// A method of the catalogue; anybody can make up others, and each would be a series for ever.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the log lines, at this level, of a connection with this life.
    fn logged(level: Level, live: impl FnOnce(&mut Connected)) -> Vec<String> {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || live(&mut Connected::by("sse", 7)));
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_connection_that_we_close_is_told_with_what_it_was_given_and_one_that_went_is_not() {
        let lines = logged(Level::INFO, |connected| {
            connected.sent(3, None);
            connected.sent(2, Some(Timestamp::now()));
            connected.wrote(1_200);
            connected.left_out((7, 9));
            connected.ends(4508, "too slow");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        for field in [
            "INFO",
            "a connection was closed",
            "transport=\"sse\"",
            "age_ms=",
            "frames=5",
            "bytes=1200",
            "conflated=7",
            "skipped=9",
            "code=4508",
            "end=\"too slow\"",
        ] {
            assert!(lines[0].contains(field), "{field} in {}", lines[0]);
        }
        assert!(logged(Level::INFO, |connected| connected.wrote(5)).is_empty());
        let lines = logged(Level::DEBUG, |connected| connected.wrote(5));
        assert!(lines[0].contains("a connection was opened"), "{lines:?}");
        assert!(lines[1].contains("DEBUG") && lines[1].contains("end=\"the client went\""), "{lines:?}");
    }
}
