//! The connection that hears the news of one node.
//!
//! It connects, subscribes to what is wanted of its node (one command for each channel: one command for channels of
//! several slots is refused as a whole), and then hears. It leaves and comes back, for ever, whenever the connection
//! ends, a pulse stays without an answer, the node is no master any more, or its canary does not come back twice.
//! Whatever is confirmed again counts as missed in between, and followers read it from the rooms.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value, cmd};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Channel, Ears};
use super::dial::reconnect_backoff;
use super::ear::Ear;
use super::error::sentence;
use super::health::Health;
use super::node::{Road, Target};
use super::router::Request;
use super::subscriber::Subscriber;

/// How long before a subscription that was refused is tried again.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// So many canaries may not come back in a row.
const CANARIES_LOST: u32 = 2;

/// How often a listener looks after its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) pulse_every: Duration,
    pub(super) canary_every: Duration,
}

/// The listener of one node.
pub(super) struct Listener {
    subscriber: Arc<Subscriber>,
    target: Target,
    health: Arc<Health>,
    pace: Pace,
    engine: u64,
}

/// One connection's life.
struct Session<'a> {
    listener: &'a Listener,
    connection: MultiplexedConnection,
    /// Channels that Redis confirmed.
    confirmed: HashMap<String, Arc<Channel>>,
    canary: Option<Canary>,
    canary_number: u64,
    canaries_lost: u32,
}

struct Canary {
    channel: Arc<Channel>,
    /// The one that is under way, and since when.
    sent: Option<(u64, Instant)>,
}

impl Listener {
    pub(super) fn new(subscriber: Arc<Subscriber>, target: Target, health: Arc<Health>, pace: Pace) -> Self {
        Self { subscriber, target, health, pace, engine: rand::random() }
    }

    pub(super) async fn run(self) {
        let mut backoff = reconnect_backoff();
        loop {
            let begin = Instant::now();
            let reason = self.listen().await;
            tracing::debug!(node = self.health.name, reason, "no news for now; coming back");
            metrics::counter!("ringside_redis_reconnects_total", "connection" => "news").increment(1);
            self.health.note(|ills| {
                let since = ills.away.take().map_or_else(Instant::now, |(since, _)| since);
                ills.away = Some((since, reason));
            });
            // The node may be gone, and others have its slots.
            self.subscriber.router().note_trouble();
            if begin.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            backoff.wait().await;
        }
    }

    /// From connecting to the reason why it ended.
    async fn listen(&self) -> String {
        let dial = self.subscriber.router().dial();
        let (ear, mut heard) = Ear::new();
        let (ear, config) = (Arc::new(ear), dial.config());
        let hear = {
            let ear = ear.clone();
            move |push| {
                ear.hear(push);
                Ok::<_, ()>(())
            }
        };
        let address = match self.target.find(dial).await {
            Ok(address) => address,
            Err(error) => return error.to_string(),
        };
        let connection = match dial.open(&address, &config.set_push_sender(hear)).await {
            Ok(connection) => connection,
            Err(error) => return error.to_string(),
        };
        let (confirmed, canary) = (HashMap::new(), None);
        let mut session = Session { listener: self, connection, confirmed, canary, canary_number: 0, canaries_lost: 0 };
        let reason = session.run(&ear, &mut heard).await;
        session.confirmed.values().for_each(|channel| channel.lose());
        reason
    }
}

impl Session<'_> {
    async fn run(&mut self, ear: &Ear, heard: &mut mpsc::Receiver<PushInfo>) -> String {
        let subscriber = &self.listener.subscriber;
        let (mut wanted, mut layout) = (subscriber.watch(), subscriber.router().watch());
        let mut pulse = interval(self.listener.pace.pulse_every);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut canaries = interval(self.listener.pace.canary_every);
        canaries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_settled = false;
        loop {
            if !is_settled {
                wanted.borrow_and_update();
                layout.borrow_and_update();
                is_settled = match self.settle().await {
                    Ok(is_settled) => is_settled,
                    Err(error) => return sentence(&error),
                };
                if is_settled && self.canary.as_ref().is_some_and(|canary| canary.sent.is_none()) {
                    canaries.reset_immediately();
                }
                self.listener.health.note(|ills| ills.away = None);
            }
            tokio::select! {
                push = heard.recv() => {
                    let Some(push) = push else { return "the connection ended".to_owned() };
                    if ear.has_missed() {
                        // Not only messages: the end of a subscription may be among what had no place.
                        return "more news than could be taken".to_owned();
                    }
                    match self.take(ear, push) {
                        Heard::Known => {}
                        Heard::Lost => is_settled = false,
                        Heard::End => return "the connection broke".to_owned(),
                    }
                }
                _ = wanted.changed() => is_settled = false,
                _ = layout.changed() => is_settled = false,
                () = tokio::time::sleep(REFUSED_PAUSE), if !is_settled => {}
                _ = pulse.tick() => {
                    if let Err(reason) = subscriber.router().dial().check(&mut self.connection).await {
                        return reason;
                    }
                }
                _ = canaries.tick(), if self.canary.is_some() => {
                    if let Some(reason) = self.send_canary() {
                        return reason;
                    }
                }
            }
        }
    }

    /// Subscribes to what is wanted and lets go of what is not; false where something was refused and is to be tried
    /// again.
    async fn settle(&mut self) -> Result<bool, RedisError> {
        let wanted = self.wanted();
        let names: HashSet<&str> = wanted.iter().map(|channel| channel.name.as_str()).collect();
        let gone: Vec<String> = self.confirmed.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            self.confirmed.remove(&name);
            // A node that has the slot no more says MOVED, and has ended the subscription by itself.
            match cmd("SUNSUBSCRIBE").arg(&name).exec_async(&mut self.connection).await {
                Err(error) if is_broken(&error) => return Err(error),
                _ => {}
            }
        }
        let mut asked = JoinSet::new();
        for channel in wanted {
            match self.confirmed.get(&channel.name) {
                Some(known) if Arc::ptr_eq(known, &channel) => {}
                // Given up and wanted again before we came to it: Redis has been sending all the time.
                Some(_) => {
                    channel.confirm();
                    self.confirmed.insert(channel.name.clone(), channel);
                }
                None => {
                    let mut connection = self.connection.clone();
                    asked.spawn(async move {
                        let answer = cmd("SSUBSCRIBE").arg(&channel.name).exec_async(&mut connection).await;
                        (channel, answer)
                    });
                }
            }
        }
        let mut refused = None;
        while let Some(answer) = asked.join_next().await {
            match answer.expect("asking does not panic") {
                (channel, Ok(())) => {
                    channel.confirm();
                    self.confirmed.insert(channel.name.clone(), channel);
                }
                (_, Err(error)) if is_broken(&error) => return Err(error),
                (_, Err(error)) => refused = Some(error),
            }
        }
        let is_settled = refused.is_none();
        if let Some(error) = &refused {
            self.listener.subscriber.router().note_trouble();
            // A slot on its way is no ill; it will be found.
            let is_moving = matches!(
                error.kind(),
                ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain)
            );
            self.listener.health.note(|ills| ills.refused = (!is_moving).then(|| sentence(error)));
        } else {
            self.listener.health.note(|ills| ills.refused = None);
        }
        Ok(is_settled)
    }

    /// What is wanted of this node, with a canary's channel at one of its partitions.
    fn wanted(&mut self) -> Vec<Arc<Channel>> {
        let Listener { subscriber, target, engine, .. } = self.listener;
        let mut wanted = subscriber.wanted_of(target);
        let name = subscriber.partition_of(target).map(|p| (subscriber.keys.canary(p, *engine), super::keys::slot(p)));
        if self.canary.as_ref().map(|canary| &canary.channel.name) != name.as_ref().map(|(name, _)| name) {
            let made = |(name, slot)| Channel::new(name, slot, Ears::Canary(AtomicU64::new(0)));
            self.canary = name.map(made).map(|channel| Canary { channel, sent: None });
        }
        wanted.extend(self.canary.as_ref().map(|canary| canary.channel.clone()));
        wanted
    }

    fn take(&mut self, ear: &Ear, push: PushInfo) -> Heard {
        ear.done(&push);
        let mut data = push.data.into_iter();
        match (push.kind, data.next(), data.next()) {
            (PushKind::SMessage, Some(Value::BulkString(name)), Some(Value::BulkString(payload))) => {
                let Ok(name) = str::from_utf8(&name) else { return Heard::Known };
                if let Some(canary) = self.canary.as_ref().filter(|canary| canary.channel.name == name) {
                    canary.channel.tell(payload.into());
                    self.see_canary();
                } else if let Some(channel) = self.listener.subscriber.by_name(name) {
                    channel.tell(payload.into());
                }
                Heard::Known
            }
            (PushKind::SUnsubscribe, Some(Value::BulkString(name)), _) => {
                // Not by our wish: its slot has gone to another node.
                match str::from_utf8(&name).ok().and_then(|name| self.confirmed.remove(name)) {
                    Some(channel) => {
                        channel.lose();
                        self.listener.subscriber.router().note_trouble();
                        Heard::Lost
                    }
                    None => Heard::Known,
                }
            }
            (PushKind::Disconnection, ..) => Heard::End,
            _ => Heard::Known,
        }
    }

    /// Sends the next canary; the reason to leave where too many did not come back.
    fn send_canary(&mut self) -> Option<String> {
        let canary = self.canary.as_mut()?;
        if !self.confirmed.contains_key(&canary.channel.name) {
            return None;
        }
        if canary.sent.is_some() {
            self.canaries_lost += 1;
            if self.canaries_lost >= CANARIES_LOST {
                tracing::warn!(
                    node = self.listener.health.name,
                    "what is published does not come back; connecting anew"
                );
                self.listener.health.note(|ills| ills.is_deaf = true);
                return Some("its canary did not come back".to_owned());
            }
        }
        self.canary_number += 1;
        canary.sent = Some((self.canary_number, Instant::now()));
        let mut command = cmd("SPUBLISH");
        command.arg(&canary.channel.name).arg(self.canary_number);
        let (router, slot) = (self.listener.subscriber.router().clone(), canary.channel.slot);
        tokio::spawn(async move {
            // One that can't be sent does not come back either, and that is noticed.
            let _ = router.send(Request { slot, command, script: None, road: Road::Hot }).await;
        });
        None
    }

    fn see_canary(&mut self) {
        let Some(Canary { channel, sent }) = &mut self.canary else { return };
        let Ears::Canary(newest) = &channel.ears else { return };
        if let Some((number, since)) = *sent
            && newest.load(Ordering::Acquire) >= number
        {
            metrics::histogram!("ringside_redis_canary_seconds").record(since.elapsed().as_secs_f64());
            *sent = None;
            self.canaries_lost = 0;
            self.listener.health.note(|ills| ills.is_deaf = false);
        }
    }
}

enum Heard {
    Known,
    /// A subscription has ended.
    Lost,
    /// The connection has.
    End,
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}
