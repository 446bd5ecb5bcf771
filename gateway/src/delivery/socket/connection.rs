//! The task of one open socket: it reads, keeps the clocks, and delivers where somebody has to be waited for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringside_access::Viewer;
use ringside_model::{Room, Timestamp};
use ringside_wire::frame_kind;
use serde_json::json;

use super::end::End;
use super::line::{Broken, Delivered, Line};
use super::message::{Message, Messages, PING, PONG};
use super::tally::Tally;
use super::transport::Transport;
use crate::delivery::expiry::{until_announced, until_over};
use crate::delivery::goodbye::Goodbye;
use crate::delivery::ledger::Entry;
use crate::delivery::limits::{Allowance, MESSAGE_BYTES};
use crate::delivery::session::{Heard, plain};
use crate::delivery::{Delivery, lifetime};
use crate::observe::{self, Connected};

/// A ping has to be answered within so much of the interval of pings.
const PONG_WITHIN: f64 = 0.4;
/// Who takes nothing for so long of what waits for it is gone, or as good as.
const STUCK_FOR: Duration = Duration::from_secs(10);
/// Who does not take what it is answered is not heard any further once so much waits.
const ANSWERED_BYTES: usize = 64 << 10;
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// So much is read at once; on the stack, so that a connection that says nothing has no buffer.
const READ_BYTES: usize = 4 << 10;

/// An open socket.
pub(super) struct Connection {
    delivery: Delivery,
    line: Arc<Line>,
    messages: Messages,
    allowance: Allowance,
    heard: Instant,
    /// When it was last asked whether it is there.
    asked: Instant,
    /// When it was asked whether it is there, since it said something.
    pinged: Option<Instant>,
    /// When it has lasted as long as a connection may.
    old: Instant,
    /// True while it takes too little of what it is answered for anything else to be heard.
    overfull: bool,
    warned: bool,
    tally: Tally,
    counted: Connected,
    _entry: Entry,
}

impl Connection {
    pub(super) async fn begin(
        delivery: Delivery,
        viewer: Arc<Viewer>,
        address: Option<IpAddr>,
        (socket, read): (Transport, Bytes),
        deflate: bool,
        rooms: &[Room],
    ) -> Self {
        let line = Line::open(&delivery, viewer.clone(), socket, deflate);
        let weak = Arc::downgrade(&line);
        let entry = delivery.ledger().enter("websocket", &viewer, address, weak);
        {
            let session = &mut line.counter().await.session;
            for room in rooms {
                if session.join(room.clone(), None, None).is_ok() {
                    session.say(frame_kind::SUBSCRIBED, Some(room), &json!({}));
                }
            }
        }
        let (now, max_age) = (Instant::now(), delivery.settings().max_age);
        let mut messages = Messages::new(deflate);
        messages.push(&read);
        Self {
            delivery,
            line,
            messages,
            allowance: Allowance::new(now),
            heard: now,
            asked: now,
            pinged: None,
            old: now + lifetime::lifetime(max_age, rand::random()),
            overfull: false,
            warned: false,
            tally: Tally::default(),
            counted: Connected::by("websocket", entry.id()),
            _entry: entry,
        }
    }

    /// Serves it until it ends.
    pub(super) async fn run(mut self) {
        let end = match self.hear_all().await {
            Ok(()) => self.serve().await,
            Err(end) => end,
        };
        if end == End::Slow {
            observe::closed_slow();
        }
        if let Some((code, reason)) = end.told() {
            self.counted.ends(code, reason);
        }
        self.say_goodbye(end).await;
        self.counted.lived(self.line.counter().await.life());
        if end.payload().is_some() {
            // Whoever does not take the goodbye has left already, or reads nothing anyway.
            let _ = tokio::time::timeout(CLOSE_WITHIN, self.hang_up(end)).await;
        }
    }

    /// Writes what is left for it, and why it ends; nobody else writes anything from here on.
    async fn say_goodbye(&mut self, end: End) {
        let mut counter = self.line.counter().await;
        counter.end();
        let retry_ms = match end {
            End::Draining => Some(Goodbye::retry_ms()),
            End::Old => Some(lifetime::retry_ms()),
            _ => None,
        };
        let mut last = match retry_ms {
            Some(_) => counter.session.rest().await,
            None => counter.session.take_answers(),
        };
        last.extend(retry_ms.map(|retry_ms| plain(frame_kind::BYE, None, &json!({ "retryMs": retry_ms }))));
        self.line.write_last(&mut counter, &mut last, &mut self.tally, end.payload().as_deref());
    }

    /// Ends our side once all is written, and waits for the other: to close before it has read all would take what it
    /// has not read yet.
    async fn hang_up(&self, end: End) {
        while self.line.counter().await.stuck_since().is_some() {
            if self.line.socket.writable().await.is_err() || self.line.go_on().await.is_err() {
                return;
            }
        }
        if self.line.socket.end_writing().is_err() || matches!(end, End::Left(_)) {
            return;
        }
        let mut unread = [0; 512];
        while self.line.socket.readable().await.is_ok() {
            match self.line.socket.try_read(&mut unread) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    async fn serve(&mut self) -> End {
        let mut taken_back = self.delivery.access().revocations().watch();
        let delivery = self.delivery.clone();
        let mut turn = None;
        loop {
            let delivered = match self.line.deliver(&mut self.tally).await {
                Ok(delivered) => delivered,
                Err(broken) => return broken.into(),
            };
            let clock = match self.next_clock(delivered).await {
                Ok(clock) => clock,
                Err(end) => return end,
            };
            tokio::select! {
                biased;
                () = delivery.goodbye().turn(&mut turn) => return End::Draining,
                changed = taken_back.changed() => {
                    if changed.is_ok() && !self.delivery.access().revocations().allows(self.line.counter().await.session.viewer()) {
                        return End::Expired;
                    }
                }
                () = tokio::time::sleep_until(clock.into()) => {}
                readable = self.line.socket.readable(), if !self.overfull => {
                    let heard = match readable {
                        Ok(()) => self.read().await,
                        Err(_) => Err(End::Gone),
                    };
                    if let Err(end) = heard {
                        return end;
                    }
                }
                writable = self.line.socket.writable(), if delivered == Delivered::Full => {
                    if writable.is_err() {
                        return End::Gone;
                    }
                }
                () = self.line.rang() => {}
            }
        }
    }

    /// Sees to what is due, and says when something will be next.
    async fn next_clock(&mut self, delivered: Delivered) -> Result<Instant, End> {
        let now = Instant::now();
        let mut counter = self.line.counter().await;
        let (viewer, clock) = (counter.session.viewer(), Timestamp::now());
        let left = until_over(viewer, self.delivery.settings().token_grace, clock);
        if left.is_zero() {
            return Err(End::Expired);
        }
        let mut next = now + left;
        if !self.warned {
            let announced = until_announced(viewer, clock);
            if announced.is_zero() {
                self.warned = true;
                let at = viewer.expires_at.to_string();
                counter.session.say(frame_kind::AUTH_EXPIRING, None, &json!({ "expiresAt": at }));
                return Ok(now);
            }
            next = next.min(now + announced);
        }
        if self.old <= now {
            return Err(End::Old);
        }
        next = next.min(self.old);
        if let Delivered::Paced(at) = delivered {
            next = next.min(at);
        }
        if let Some(since) = counter.stuck_since() {
            if since + STUCK_FOR <= now {
                return Err(End::Slow);
            }
            next = next.min(since + STUCK_FOR);
        }
        self.overfull = delivered != Delivered::All && self.line.waiting_bytes(&counter) > ANSWERED_BYTES;
        let slow = counter.pace.is_slow();
        drop(counter);
        self.next_ping(now, slow).await.map(|ping| next.min(ping))
    }

    async fn next_ping(&mut self, now: Instant, slow: bool) -> Result<Instant, End> {
        let ping_every = self.delivery.settings().ping_every;
        match self.pinged {
            // The ping of a slow one stands in a queue somewhere; what it takes of it tells whether it is there.
            // Where it is gone, the kernel finds that what was written is not acknowledged.
            Some(_) if slow => Ok(now + ping_every),
            Some(at) => {
                let by = at + ping_every.mul_f64(PONG_WITHIN);
                if by > now {
                    return Ok(by);
                }
                // Its answer may have come while it was this process that stood still.
                self.read().await?;
                if self.pinged.is_some() { Err(End::Gone) } else { Ok(now) }
            }
            None if self.asked + ping_every > now => Ok(self.asked + ping_every),
            None => {
                self.line.control(PING, &[]).await?;
                self.line.counter().await.session.asked();
                (self.asked, self.pinged) = (now, Some(now));
                Ok(now + ping_every.mul_f64(PONG_WITHIN))
            }
        }
    }

    /// Takes what has come.
    async fn read(&mut self) -> Result<(), End> {
        match read_some(&self.line.socket, &mut self.messages) {
            Ok(0) => Err(End::Gone),
            Ok(bytes) => {
                self.heard = Instant::now();
                self.pinged = None;
                self.hear_all().await?;
                let fragments = self.messages.take_fragments();
                self.allowance.count_read(bytes, fragments, self.heard).then_some(()).ok_or(End::Flood)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::Gone),
        }
    }

    async fn hear_all(&mut self) -> Result<(), End> {
        while let Some(message) = self.messages.next()? {
            self.hear(message).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        let mut counter = self.line.counter().await;
        let session = &mut counter.session;
        let heard = match message {
            Message::Text(text) if text.len() > MESSAGE_BYTES => {
                session.refuse(&format!("a message has at most {} KiB", MESSAGE_BYTES >> 10))
            }
            Message::Text(text) => {
                let before = session.viewer().expires_at;
                let heard = session.hear(&text);
                // A fresh token is announced anew.
                self.warned &= session.viewer().expires_at == before;
                heard
            }
            Message::Binary => session.refuse("send text, not binary"),
            Message::Ping(payload) => {
                drop(counter);
                self.line.control(PONG, &payload).await?;
                Heard::Sense
            }
            Message::Pong => {
                session.answered();
                Heard::Sense
            }
            Message::Close(code) => return Err(End::Left(code)),
        };
        match heard {
            Heard::Stranger => Err(End::Stranger),
            heard => self.allowance.count(heard == Heard::Sense, self.heard).then_some(()).ok_or(End::Flood),
        }
    }
}

fn read_some(socket: &Transport, messages: &mut Messages) -> io::Result<usize> {
    let mut bytes = [0; READ_BYTES];
    let count = socket.try_read(&mut bytes)?;
    messages.push(&bytes[..count]);
    Ok(count)
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::Gone
    }
}
