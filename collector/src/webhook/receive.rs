//! One request's body, read within its limits, taken apart and given to the intake.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use ringside_access::ApiKey;
use ringside_intake::{IntakeError, Receipt, Rejection, Reservation, count};

use super::answer::Answer;
use super::body::{Form, Lines, Parsed, Split, read_event, split, split_array, too_long};
use super::problem::Problem;
use super::{Limits, Webhook, cloudevents, signature};

/// Lines that go to the intake together.
const LINES_AT_ONCE: usize = 500;

/// Rejections of a stream that are listed; the rest is counted.
const LISTED_OF_STREAM: usize = 1_000;

pub(super) async fn receive(
    webhook: &Webhook,
    key: &ApiKey,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    let form = Form::of(headers)?;
    let pieces =
        Pieces { stream: body.into_data_stream(), patience: Duration::from_millis(webhook.limits.patience_ms) };
    // A signature is over the whole body, so a signed stream has to be read as a whole first.
    if form == Form::Lines && key.secrets.is_empty() {
        return stream(webhook, key, pieces).await;
    }
    let mut reservation = webhook.intake.reservation();
    let body = pieces.whole(webhook.limits.body_bytes, &mut reservation).await?;
    signature::verify(&key.secrets, headers, &body, webhook.intake.now())?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
    let Some(parsed) = read_events(form, headers, body, &webhook.limits)? else {
        return lines(webhook, key, body).await;
    };
    let mut answer = Answer::listing_up_to(webhook.limits.array_events);
    answer.add(deliver(webhook, key, 0, parsed).await?);
    Ok(answer)
}

/// The events of a body that is here as a whole; none where they are lines.
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
                let says =
                    "application/cloudevents+json is one event; send several as application/cloudevents-batch+json";
                return Err(Problem::unreadable("bad_json", says));
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

/// Lines of a body that is here already.
async fn lines(webhook: &Webhook, key: &ApiKey, body: &[u8]) -> Result<Answer, Problem> {
    let mut batch = LineBatch::new(webhook, key);
    for piece in body.chunks(webhook.limits.event_bytes.max(1)) {
        batch.push(piece).await?;
    }
    batch.finish().await
}

/// Lines as they arrive: however long the stream is, only some hundreds of them are here at a time.
async fn stream(webhook: &Webhook, key: &ApiKey, mut pieces: Pieces) -> Result<Answer, Problem> {
    let mut batch = LineBatch::new(webhook, key);
    let mut read = 0;
    let mut reservation = webhook.intake.reservation();
    while let Some(piece) = pieces.next().await.map_err(|problem| problem.with_next_index(batch.delivered))? {
        read += piece.len();
        if read > webhook.limits.stream_bytes {
            let says =
                format!("an NDJSON body may have {} MiB; go on in another request", webhook.limits.stream_bytes >> 20);
            return Err(Problem::too_large(says).with_next_index(batch.delivered));
        }
        reservation.clear();
        reservation.grow(piece.len()).map_err(|error| Problem::from(error).with_next_index(batch.delivered))?;
        batch.push(&piece).await?;
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

    async fn push(&mut self, piece: &[u8]) -> Result<(), Problem> {
        let limits = &self.webhook.limits;
        let parsed = &mut self.parsed;
        self.lines.push(piece, limits.event_bytes, |line| {
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
            return Err(Problem::unreadable("empty_body", "the body is empty; send one event a line"));
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

/// Gives what is well formed to the intake, and names what is not by its place in the body.
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
    let events = events.into_iter().map(|event| secret.without_numbers(&key.tenant, event)).collect();
    let mut receipt = webhook.intake.accept(&key.tenant, &key.source, events).await?;
    for rejection in &mut receipt.rejected {
        rejection.index = indexes[rejection.index];
    }
    for rejection in &bad {
        count(rejection.code, 1);
    }
    receipt.rejected.append(&mut bad);
    receipt.rejected.sort_by_key(|rejection| rejection.index);
    Ok(receipt)
}

/// A body's pieces, each of which may take only so long.
struct Pieces {
    stream: BodyDataStream,
    patience: Duration,
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match tokio::time::timeout(self.patience, self.stream.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Problem::unreadable("broken_body", "the body broke off before its end")),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not go on arriving")),
        }
    }

    async fn whole(mut self, most: usize, reservation: &mut Reservation) -> Result<Bytes, Problem> {
        let mut body = Vec::new();
        while let Some(piece) = self.next().await? {
            if body.len() + piece.len() > most {
                let says = format!("a body may have {} MiB; send several, or stream NDJSON", most >> 20);
                return Err(Problem::too_large(says));
            }
            reservation.grow(piece.len())?;
            body.extend_from_slice(&piece);
        }
        Ok(body.into())
    }
}
