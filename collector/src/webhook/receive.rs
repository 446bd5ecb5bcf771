//! Reads a request's body within its limits and hands its events to the intake.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use ringside_access::ApiKey;
use ringside_intake::{IntakeError, Receipt, Rejection, Reservation, count_events};

use super::answer::Answer;
use super::body::{Form, Lines, Parsed, Split, read_event, split, split_array, too_long};
use super::problem::Problem;
use super::{Limits, Webhook, cloudevents, signature};

/// Lines that are handed to the intake together.
const LINES_AT_ONCE: usize = 500;

/// Rejections of a stream that are listed; the others are only counted.
const LISTED_OF_STREAM: usize = 1_000;

pub(super) async fn receive(
    webhook: &Webhook,
    key: &ApiKey,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    let form = Form::of(headers)?;
    let timeout = Duration::from_millis(webhook.limits.read_timeout_ms);
    let chunks = Chunks { stream: body.into_data_stream(), timeout };
    // A signature covers the whole body, so a signed stream is read completely first.
    if form == Form::Lines && key.secrets.is_empty() {
        return stream(webhook, key, chunks).await;
    }
    let mut reservation = webhook.intake.reservation();
    let body = chunks.collect(webhook.limits.body_bytes, &mut reservation).await?;
    signature::verify(&key.secrets, headers, &body, webhook.intake.now())?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
    let Some(parsed) = read_events(form, headers, body, &webhook.limits)? else {
        return lines(webhook, key, body).await;
    };
    let mut answer = Answer::listing_up_to(webhook.limits.array_events);
    answer.add(deliver(webhook, key, 0, parsed).await?);
    Ok(answer)
}

/// Reads the events of a complete body; `None` if they are lines.
pub(super) fn read_events(
    form: Form,
    headers: &HeaderMap,
    body: &[u8],
    limits: &Limits,
) -> Result<Option<Vec<Parsed>>, Problem> {
    let parsed = match form {
        Form::Json => match split(body, limits)? {
            Split::One(event) => vec![read_event(event.get().as_bytes(), limits)],
            Split::Many(events) => events.iter().map(|event| read_event(event.get().as_bytes(), limits)).collect(),
            Split::Lines => return Ok(None),
        },
        Form::Lines => return Ok(None),
        Form::CloudEvent => match split(body, limits)? {
            Split::One(event) => vec![cloudevents::read_structured(event.get().as_bytes(), limits)],
            Split::Many(_) | Split::Lines => {
                let detail =
                    "application/cloudevents+json is one event; send several as application/cloudevents-batch+json";
                return Err(Problem::unreadable("bad_json", detail));
            }
        },
        Form::CloudEventBatch => {
            let events = split_array(body, limits)?;
            events.iter().map(|event| cloudevents::read_structured(event.get().as_bytes(), limits)).collect()
        }
        Form::CloudEventHeaders => vec![cloudevents::read_binary(headers, body, limits)],
    };
    Ok(Some(parsed))
}

/// Receives the lines of a complete body.
async fn lines(webhook: &Webhook, key: &ApiKey, body: &[u8]) -> Result<Answer, Problem> {
    let mut batch = LineBatch::new(webhook, key);
    for chunk in body.chunks(webhook.limits.event_bytes.max(1)) {
        batch.push(chunk).await?;
    }
    batch.finish().await
}

/// Receives lines as they arrive.
///
/// At most some hundreds are in memory at a time, however long the stream is.
async fn stream(webhook: &Webhook, key: &ApiKey, mut chunks: Chunks) -> Result<Answer, Problem> {
    let mut batch = LineBatch::new(webhook, key);
    let mut read = 0;
    let mut reservation = webhook.intake.reservation();
    while let Some(chunk) = chunks.next().await.map_err(|problem| problem.with_next_index(batch.delivered))? {
        read += chunk.len();
        if read > webhook.limits.stream_bytes {
            let detail = format!(
                "the NDJSON body has more than {} MiB; continue from line \"nextIndex\" in another request",
                webhook.limits.stream_bytes >> 20
            );
            return Err(Problem::too_large(detail).with_next_index(batch.delivered));
        }
        reservation.clear();
        reservation.grow(chunk.len()).map_err(|error| Problem::from(error).with_next_index(batch.delivered))?;
        batch.push(&chunk).await?;
    }
    batch.finish().await
}

struct LineBatch<'a> {
    webhook: &'a Webhook,
    key: &'a ApiKey,
    lines: Lines,
    parsed: Vec<Parsed>,
    delivered: usize,
    answer: Answer,
}

impl<'a> LineBatch<'a> {
    fn new(webhook: &'a Webhook, key: &'a ApiKey) -> Self {
        let answer = Answer::listing_up_to(LISTED_OF_STREAM);
        Self { webhook, key, lines: Lines::default(), parsed: Vec::new(), delivered: 0, answer }
    }

    async fn push(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let limits = &self.webhook.limits;
        let parsed = &mut self.parsed;
        self.lines.push(chunk, limits.event_bytes, |line| {
            parsed.push(line.map_or_else(|| Err(too_long(limits)), |line| read_event(line, limits)));
        });
        if self.parsed.len() >= LINES_AT_ONCE { self.deliver().await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<Answer, Problem> {
        let limits = &self.webhook.limits;
        let parsed = &mut self.parsed;
        self.lines.finish(|line| {
            parsed.push(line.map_or_else(|| Err(too_long(limits)), |line| read_event(line, limits)));
        });
        if self.parsed.is_empty() && self.delivered == 0 {
            return Err(Problem::unreadable("empty_body", "the body is empty; send one event per line"));
        }
        self.deliver().await?;
        Ok(self.answer)
    }

    async fn deliver(&mut self) -> Result<(), Problem> {
        let parsed = std::mem::take(&mut self.parsed);
        let (first, lines) = (self.delivered, parsed.len());
        let receipt = deliver(self.webhook, self.key, first, parsed)
            .await
            .map_err(|error| Problem::from(error).with_next_index(first))?;
        self.answer.add(receipt);
        self.delivered += lines;
        Ok(())
    }
}

/// Hands well-formed events to the intake, and reports the others by their index.
async fn deliver(webhook: &Webhook, key: &ApiKey, first: usize, parsed: Vec<Parsed>) -> Result<Receipt, IntakeError> {
    let mut indexes = Vec::with_capacity(parsed.len());
    let mut events = Vec::with_capacity(parsed.len());
    let mut bad = Vec::new();
    for (index, event) in (first..).zip(parsed) {
        match event {
            Ok(event) => {
                indexes.push(index);
                events.push(event);
            }
            Err(error) => bad.push(Rejection { index, code: error.code, message: error.message }),
        }
    }
    let secret = webhook.intake.aliases().secret().await?;
    let events = events.into_iter().map(|event| secret.replace_phone_numbers(&key.tenant, event)).collect();
    let mut receipt = webhook.intake.accept(&key.tenant, &key.source, events).await?;
    for rejection in &mut receipt.rejected {
        rejection.index = indexes[rejection.index];
    }
    for rejection in &bad {
        count_events(rejection.code, 1);
    }
    receipt.rejected.append(&mut bad);
    receipt.rejected.sort_by_key(|rejection| rejection.index);
    Ok(receipt)
}

/// The chunks of a body, with a timeout for each.
struct Chunks {
    stream: BodyDataStream,
    timeout: Duration,
}

impl Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match tokio::time::timeout(self.timeout, self.stream.next()).await {
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Problem::unreadable(
                "broken_body",
                "the connection broke before the end of the body; send it again",
            )),
            Err(_) => {
                let detail = "the body stopped arriving; send it without long pauses, or in smaller requests";
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
            }
        }
    }

    async fn collect(mut self, most: usize, reservation: &mut Reservation) -> Result<Bytes, Problem> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next().await? {
            if body.len() + chunk.len() > most {
                let detail = format!("the body has more than {} MiB; send several requests, or NDJSON", most >> 20);
                return Err(Problem::too_large(detail));
            }
            reservation.grow(chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}
