//! The pub/sub connection to one node.
//!
//! It connects, subscribes to its node's channels, and passes messages on. Each channel is a command of its own: Redis
//! refuses a command for channels of several slots as a whole.
//!
//! The listener reconnects, forever, when the connection ends, when a ping gets no answer, or when the node is no longer
//! a master. It also reconnects when two canaries in a row do not come back. After each new confirmation messages count
//! as missed, and subscribers read the rooms.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value, cmd};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Channel, Consumer};
use super::channel_registry::ChannelRegistry;
use super::health::Health;
use super::push_buffer::PushBuffer;
use crate::redis::dialer::reconnect_backoff;
use crate::redis::error::sentence;
use crate::redis::keys::slot;
use crate::redis::node::{Route, Target};
use crate::redis::router::Request;

/// How long to wait before a refused subscription is retried.
const RETRY_REFUSED_AFTER: Duration = Duration::from_millis(100);
/// How many canaries in a row may fail to come back before the listener reconnects.
const MAX_CANARIES_LOST: u32 = 2;

/// How often a listener checks its connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::redis) struct Pace {
    pub(in crate::redis) ping_every: Duration,
    pub(in crate::redis) canary_every: Duration,
}

/// The listener of one node.
pub(super) struct Listener {
    channels: Arc<ChannelRegistry>,
    target: Target,
    health: Arc<Health>,
    pace: Pace,
    /// Tells this engine's canaries from those of others.
    engine: u64,
}

/// One connection of a listener.
struct Session<'a> {
    listener: &'a Listener,
    connection: MultiplexedConnection,
    /// Channels whose subscriptions Redis has confirmed.
    confirmed: HashMap<String, Arc<Channel>>,
    canary: Option<Canary>,
    canary_number: u64,
    canaries_lost: u32,
}

struct Canary {
    channel: Arc<Channel>,
    /// The number of the canary in flight, and when it was sent.
    sent: Option<(u64, Instant)>,
}

impl Listener {
    pub(super) fn new(channels: Arc<ChannelRegistry>, target: Target, health: Arc<Health>, pace: Pace) -> Self {
        Self { channels, target, health, pace, engine: rand::random() }
    }

    pub(super) async fn run(self) {
        let mut backoff = reconnect_backoff();
        loop {
            let begin = Instant::now();
            let reason = self.listen().await;
            tracing::debug!(node = self.health.name, reason, "pub/sub connection lost; reconnecting");
            metrics::counter!("ringside_redis_reconnects_total", "connection" => "news").increment(1);
            self.health.update(|state| {
                let since = state.disconnected.take().map_or_else(Instant::now, |(since, _)| since);
                state.disconnected = Some((since, reason));
            });
            // The node may be gone and its slots moved.
            self.channels.router().request_refresh();
            if begin.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            backoff.wait().await;
        }
    }

    /// Connects and listens; returns why the connection ended.
    async fn listen(&self) -> String {
        let dialer = self.channels.router().dialer();
        let (buffer, mut pushes) = PushBuffer::new();
        let (buffer, config) = (Arc::new(buffer), dialer.config());
        let push_sender = {
            let buffer = buffer.clone();
            move |push| {
                buffer.push(push);
                Ok::<_, ()>(())
            }
        };
        let address = match self.target.find(dialer).await {
            Ok(address) => address,
            Err(error) => return error.to_string(),
        };
        let connection = match dialer.open(&address, &config.set_push_sender(push_sender)).await {
            Ok(connection) => connection,
            Err(error) => return error.to_string(),
        };
        let (confirmed, canary) = (HashMap::new(), None);
        let mut session = Session { listener: self, connection, confirmed, canary, canary_number: 0, canaries_lost: 0 };
        let reason = session.run(&buffer, &mut pushes).await;
        session.confirmed.values().for_each(|channel| channel.mark_lost());
        reason
    }
}

impl Session<'_> {
    async fn run(&mut self, buffer: &PushBuffer, pushes: &mut mpsc::Receiver<PushInfo>) -> String {
        let channels = &self.listener.channels;
        let (mut wanted, mut slots) = (channels.watch(), channels.router().watch());
        let mut pings = interval(self.listener.pace.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut canaries = interval(self.listener.pace.canary_every);
        canaries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_settled = false;
        loop {
            if !is_settled {
                wanted.borrow_and_update();
                slots.borrow_and_update();
                is_settled = match self.settle().await {
                    Ok(is_settled) => is_settled,
                    Err(error) => return sentence(&error),
                };
                if is_settled && self.canary.as_ref().is_some_and(|canary| canary.sent.is_none()) {
                    canaries.reset_immediately();
                }
                self.listener.health.update(|state| state.disconnected = None);
            }
            tokio::select! {
                push = pushes.recv() => {
                    let Some(push) = push else { return "the connection ended".to_owned() };
                    if buffer.has_overflowed() {
                        // Not only messages may be lost: one of the pushes may have ended a subscription.
                        return "more messages than could be buffered".to_owned();
                    }
                    match self.handle(buffer, push) {
                        Handled::Ok => {}
                        Handled::Unsubscribed => is_settled = false,
                        Handled::Disconnected => return "the connection broke".to_owned(),
                    }
                }
                _ = wanted.changed() => is_settled = false,
                _ = slots.changed() => is_settled = false,
                () = tokio::time::sleep(RETRY_REFUSED_AFTER), if !is_settled => {}
                _ = pings.tick() => {
                    if let Err(reason) = channels.router().dialer().check(&mut self.connection).await {
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

    /// Subscribes to wanted channels and unsubscribes from others.
    ///
    /// False if a refusal has to be retried.
    async fn settle(&mut self) -> Result<bool, RedisError> {
        let wanted = self.wanted();
        let names: HashSet<&str> = wanted.iter().map(|channel| channel.name.as_str()).collect();
        let gone: Vec<String> = self.confirmed.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            self.confirmed.remove(&name);
            // A node that no longer serves the slot answers MOVED; it has ended the subscription by itself.
            match cmd("SUNSUBSCRIBE").arg(&name).exec_async(&mut self.connection).await {
                Err(error) if is_broken(&error) => return Err(error),
                _ => {}
            }
        }
        let mut subscribes = JoinSet::new();
        for channel in wanted {
            match self.confirmed.get(&channel.name) {
                Some(known) if Arc::ptr_eq(known, &channel) => {}
                // Dropped and wanted again in between: the subscription at Redis was never interrupted.
                Some(_) => {
                    channel.confirm();
                    self.confirmed.insert(channel.name.clone(), channel);
                }
                None => {
                    let mut connection = self.connection.clone();
                    subscribes.spawn(async move {
                        let answer = cmd("SSUBSCRIBE").arg(&channel.name).exec_async(&mut connection).await;
                        (channel, answer)
                    });
                }
            }
        }
        let mut refused = None;
        while let Some(answer) = subscribes.join_next().await {
            match answer.expect("the task does not panic and is not aborted") {
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
            self.listener.channels.router().request_refresh();
            // A migrating slot is no problem: the refresh finds its node.
            let is_moving = matches!(
                error.kind(),
                ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain)
            );
            self.listener.health.update(|state| state.refused = (!is_moving).then(|| sentence(error)));
        } else {
            self.listener.health.update(|state| state.refused = None);
        }
        Ok(is_settled)
    }

    /// Returns the node's wanted channels, and one for its canaries.
    fn wanted(&mut self) -> Vec<Arc<Channel>> {
        let Listener { channels, target, engine, .. } = self.listener;
        let mut wanted = channels.of_node(target);
        let name = channels.partition_of(target).map(|p| (channels.keys().canary(p, *engine), slot(p)));
        if self.canary.as_ref().map(|canary| &canary.channel.name) != name.as_ref().map(|(name, _)| name) {
            let new_channel = |(name, slot)| Channel::new(name, slot, Consumer::Canary(AtomicU64::new(0)));
            self.canary = name.map(new_channel).map(|channel| Canary { channel, sent: None });
        }
        wanted.extend(self.canary.as_ref().map(|canary| canary.channel.clone()));
        wanted
    }

    fn handle(&mut self, buffer: &PushBuffer, push: PushInfo) -> Handled {
        buffer.release(&push);
        let mut data = push.data.into_iter();
        match (push.kind, data.next(), data.next()) {
            (PushKind::SMessage, Some(Value::BulkString(name)), Some(Value::BulkString(payload))) => {
                let Ok(name) = str::from_utf8(&name) else { return Handled::Ok };
                if let Some(canary) = self.canary.as_ref().filter(|canary| canary.channel.name == name) {
                    canary.channel.deliver(payload.into());
                    self.check_canary();
                } else if let Some(channel) = self.listener.channels.by_name(name) {
                    channel.deliver(payload.into());
                }
                Handled::Ok
            }
            (PushKind::SUnsubscribe, Some(Value::BulkString(name)), _) => {
                // Redis ended the subscription: the slot has moved to another node.
                match str::from_utf8(&name).ok().and_then(|name| self.confirmed.remove(name)) {
                    Some(channel) => {
                        channel.mark_lost();
                        self.listener.channels.router().request_refresh();
                        Handled::Unsubscribed
                    }
                    None => Handled::Ok,
                }
            }
            (PushKind::Disconnection, ..) => Handled::Disconnected,
            _ => Handled::Ok,
        }
    }

    /// Sends the next canary.
    ///
    /// Returns the reason to reconnect if too many did not come back.
    fn send_canary(&mut self) -> Option<String> {
        let canary = self.canary.as_mut()?;
        if !self.confirmed.contains_key(&canary.channel.name) {
            return None;
        }
        if canary.sent.is_some() {
            self.canaries_lost += 1;
            if self.canaries_lost >= MAX_CANARIES_LOST {
                tracing::warn!(node = self.listener.health.name, "canaries do not come back; reconnecting");
                self.listener.health.update(|state| state.is_deaf = true);
                return Some("its canary did not come back".to_owned());
            }
        }
        self.canary_number += 1;
        canary.sent = Some((self.canary_number, Instant::now()));
        let mut command = cmd("SPUBLISH");
        command.arg(&canary.channel.name).arg(self.canary_number);
        let (router, slot) = (self.listener.channels.router().clone(), canary.channel.slot);
        tokio::spawn(async move {
            // A canary that can't be sent does not come back either, which counts the same.
            let _ = router.send(Request { slot, command, script: None, route: Route::Shared }).await;
        });
        None
    }

    fn check_canary(&mut self) {
        let Some(Canary { channel, sent }) = &mut self.canary else { return };
        let Consumer::Canary(newest) = &channel.consumer else { return };
        if let Some((number, since)) = *sent
            && newest.load(Ordering::Acquire) >= number
        {
            metrics::histogram!("ringside_redis_canary_seconds").record(since.elapsed().as_secs_f64());
            *sent = None;
            self.canaries_lost = 0;
            self.listener.health.update(|state| state.is_deaf = false);
        }
    }
}

/// The effect of a push.
enum Handled {
    Ok,
    /// A subscription has ended.
    Unsubscribed,
    /// The connection has ended.
    Disconnected,
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}
