//! An engine around a real one that loses news, ends subscriptions, changes epochs and lets readers wait, when told to.
//!
//! Published frames stay published: only their delivery to the gateway is disturbed, as by a network.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_engine::contract::Around;
use ringside_engine::{
    Engine, EngineError, JournalEntry, JournalEntryId, Partition, ReadFrom, RoomId, RoomView, Signal, Subscription,
};
use ringside_model::Epoch;
use tokio::sync::{broadcast, watch};

#[derive(Debug, Clone, Copy)]
enum Fault {
    Missed,
    Ended,
}

/// How an engine is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    /// It is there.
    No,
    /// Calls fail at once.
    Refuses,
    /// Calls hang.
    Hangs,
}

/// The engine, and what is wrong with it.
pub(crate) struct Faulty {
    inner: Arc<dyn Engine>,
    wrong: Arc<Wrong>,
}

struct Wrong {
    /// Frames that no subscription tells, by room and offset.
    lost: Mutex<HashSet<(String, u64)>>,
    swallowed: watch::Sender<usize>,
    /// Signals of missed frames that were looked at.
    heard: watch::Sender<usize>,
    faults: broadcast::Sender<Fault>,
    /// Every epoch is told as another one by it.
    salt: AtomicU32,
    refuses: AtomicBool,
    untold: AtomicBool,
    unreadable: AtomicBool,
    reads: Mutex<HashMap<String, usize>>,
    away: watch::Sender<Away>,
    /// Publications after the first offset are told as if so many of them had never been.
    rewound: Mutex<Option<(u64, u64)>>,
    subscribed: Arc<AtomicUsize>,
    holds: watch::Sender<bool>,
    held: watch::Sender<usize>,
}

impl Faulty {
    pub(crate) fn around(inner: Arc<dyn Engine>) -> Self {
        let wrong = Wrong {
            lost: Mutex::default(),
            swallowed: watch::Sender::new(0),
            heard: watch::Sender::new(0),
            faults: broadcast::Sender::new(16),
            salt: AtomicU32::new(0),
            refuses: AtomicBool::new(false),
            untold: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
            reads: Mutex::default(),
            away: watch::Sender::new(Away::No),
            rewound: Mutex::default(),
            subscribed: Arc::default(),
            holds: watch::Sender::new(false),
            held: watch::Sender::new(0),
        };
        Self { inner, wrong: Arc::new(wrong) }
    }

    /// The news of these publications will be lost.
    pub(crate) fn lose(&self, room: &str, offsets: impl IntoIterator<Item = u64>) {
        self.wrong.lost.lock().unwrap().extend(offsets.into_iter().map(|offset| (room.to_owned(), offset)));
    }

    /// Returns once so many were lost in all.
    pub(crate) async fn lost(&self, count: usize) {
        self.wrong.swallowed.subscribe().wait_for(|lost| *lost >= count).await.unwrap();
    }

    /// The one running subscription says that it may have missed something; returns once it was heard.
    pub(crate) async fn say_missed(&self) {
        let mut heard = self.wrong.heard.subscribe();
        let before = *heard.borrow_and_update();
        assert_eq!(self.wrong.faults.send(Fault::Missed).ok(), Some(1), "one is subscribed");
        heard.wait_for(|heard| *heard > before).await.unwrap();
    }

    /// Running subscriptions end; new ones are refused until told otherwise.
    pub(crate) fn go_away(&self) {
        self.refuse(true);
        self.wrong.faults.send(Fault::Ended).expect("somebody is subscribed");
    }

    pub(crate) fn refuse(&self, refuse: bool) {
        self.wrong.refuses.store(refuse, Ordering::SeqCst);
    }

    /// Revocations can't be written, while everything else can.
    pub(crate) fn tell_nobody(&self, untold: bool) {
        self.wrong.untold.store(untold, Ordering::SeqCst);
    }

    /// It is away, for everything that a gateway asks of it.
    pub(crate) fn be_away(&self, away: Away) {
        self.wrong.away.send_replace(away);
    }

    /// Rooms go back to this offset, losing the `by` publications after it, and go on from there; the epoch stays.
    pub(crate) fn rewind(&self, to: u64, by: u64) {
        *self.wrong.rewound.lock().unwrap() = Some((to, by));
    }

    /// How many subscriptions are running.
    pub(crate) fn subscriptions(&self) -> usize {
        self.wrong.subscribed.load(Ordering::SeqCst)
    }

    /// How often rooms were read, all together.
    #[allow(dead_code, reason = "only the storm asks, in a process of its own")]
    pub(crate) fn all_reads(&self) -> usize {
        self.wrong.reads.lock().unwrap().values().sum()
    }

    /// All rooms begin another life.
    pub(crate) fn change_epochs(&self) {
        self.wrong.salt.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether reading a room fails.
    pub(crate) fn fail_reads(&self, fail: bool) {
        self.wrong.unreadable.store(fail, Ordering::SeqCst);
    }

    /// Rooms are read, but the answers are on their way until told otherwise.
    pub(crate) fn hold_answers(&self, hold: bool) {
        self.wrong.holds.send_replace(hold);
    }

    /// Returns once so many answers were held in all.
    pub(crate) async fn held(&self, count: usize) {
        self.wrong.held.subscribe().wait_for(|held| *held >= count).await.unwrap();
    }

    /// How often a room was read.
    pub(crate) fn reads(&self, room: &str) -> usize {
        self.wrong.reads.lock().unwrap().get(room).copied().unwrap_or(0)
    }
}

impl Wrong {
    async fn there(&self) -> Result<(), EngineError> {
        let mut away = self.away.subscribe();
        let now = *away.borrow_and_update();
        match now {
            Away::No => Ok(()),
            Away::Refuses => Err(self::away()),
            Away::Hangs => away.wait_for(|away| *away != Away::Hangs).await.map(|_| ()).map_err(|_| self::away()),
        }
    }

    /// Where a publication is told to be; none where it never was.
    fn told_at(&self, offset: u64) -> Option<u64> {
        match *self.rewound.lock().unwrap() {
            Some((to, by)) if offset > to => (offset > to + by).then(|| offset - by),
            _ => Some(offset),
        }
    }

    fn salted(&self, epoch: Epoch) -> Epoch {
        Epoch(epoch.0 ^ self.salt.load(Ordering::SeqCst))
    }
}

struct Disturbed {
    inner: Box<dyn Subscription>,
    wrong: Arc<Wrong>,
    faults: broadcast::Receiver<Fault>,
    said_missed: bool,
}

impl Drop for Disturbed {
    fn drop(&mut self) {
        self.wrong.subscribed.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Subscription for Disturbed {
    async fn next(&mut self) -> Option<Signal> {
        if std::mem::take(&mut self.said_missed) {
            self.wrong.heard.send_modify(|heard| *heard += 1);
        }
        loop {
            tokio::select! {
                signal = self.inner.next() => match signal? {
                    Signal::Frame(mut frame) => {
                        if self.wrong.lost.lock().unwrap().remove(&(frame.room.room.to_string(), frame.offset)) {
                            self.wrong.swallowed.send_modify(|lost| *lost += 1);
                            continue;
                        }
                        frame.epoch = self.wrong.salted(frame.epoch);
                        let Some(offset) = self.wrong.told_at(frame.offset) else { continue };
                        frame.offset = offset;
                        return Some(Signal::Frame(frame));
                    }
                    Signal::Missed => return Some(Signal::Missed),
                },
                fault = self.faults.recv() => return match fault.unwrap() {
                    Fault::Missed => {
                        self.said_missed = true;
                        Some(Signal::Missed)
                    }
                    Fault::Ended => None,
                },
            }
        }
    }
}

fn away() -> EngineError {
    EngineError::Unavailable("the test says so".to_owned())
}

#[async_trait]
impl Around for Faulty {
    fn inner(&self) -> &dyn Engine {
        &*self.inner
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        if self.wrong.refuses.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.wrong.there().await?;
        let faults = self.wrong.faults.subscribe();
        let inner = self.inner.subscribe(partition).await?;
        self.wrong.subscribed.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Disturbed { inner, wrong: self.wrong.clone(), faults, said_missed: false }))
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        *self.wrong.reads.lock().unwrap().entry(room.room.to_string()).or_default() += 1;
        if self.wrong.unreadable.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.wrong.there().await?;
        let mut view = self.inner.read_room(room, from).await?;
        view.events.retain_mut(|event| self.wrong.told_at(event.offset).map(|offset| event.offset = offset).is_some());
        view.head = (0..=view.head).rev().find_map(|offset| self.wrong.told_at(offset)).unwrap_or(0);
        view.epoch = self.wrong.salted(view.epoch);
        for frame in view.events.iter_mut().chain(&mut view.state) {
            frame.epoch = view.epoch;
        }
        let mut holds = self.wrong.holds.subscribe();
        if *holds.borrow_and_update() {
            self.wrong.held.send_modify(|held| *held += 1);
            holds.wait_for(|hold| !hold).await.unwrap();
        }
        Ok(view)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        self.wrong.there().await?;
        self.inner.get(key).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        self.wrong.there().await?;
        self.inner.set(key, value).await
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        self.wrong.there().await?;
        self.inner.get_or_create(key, value).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        self.wrong.there().await?;
        self.inner.compare_and_swap(key, expected, value).await
    }

    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        self.wrong.there().await?;
        if journal == "taken-back" && self.wrong.untold.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.inner.append_journal(journal, records, keep).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        self.wrong.there().await?;
        self.inner.read_journal(journal, before, limit).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        self.wrong.there().await?;
        self.inner.list(prefix).await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.wrong.there().await?;
        self.inner.ping().await
    }
}
