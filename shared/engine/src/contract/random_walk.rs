//! Random steps, compared with a model that keeps everything in plain maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ringside_model::Epoch;
use tokio::runtime::Handle;

use super::fixture::{
    Fixture, HISTORIES, PARTITIONS, bytes, calls, event, home, logged, own, places, state, text, view,
};
use crate::{Batch, Engine, Lane, Partition, Position, RoomId, Token};

const ROOMS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const KEYS: [&str; 4] = ["a", "ab", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    /// Appends a number of records to a partition.
    Append(u16, usize),
    /// Publishes to a room.
    ///
    /// Each publication has a lane and a distance from the published position.
    Publish(usize, Vec<(Lane, i8)>),
    /// Commits a fraction of the log, putting or deleting keys.
    Commit(u16, u8, Vec<(usize, Option<u8>)>),
    Set(usize, Option<u8>),
    GetOrCreate(usize, u8),
    /// Swaps a value, with the right expectation or a wrong one.
    CompareAndSwap(usize, bool, Option<u8>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(Lane::Event), Just(Lane::State)];
    let entries = vec((0..KEYS.len(), any::<Option<u8>>()), 0..3);
    prop_oneof![
        5 => (0..PARTITIONS, 1..40_usize).prop_map(|(partition, count)| Step::Append(partition, count)),
        8 => (0..ROOMS.len(), vec((lane, -3..4_i8), 0..40)).prop_map(|(room, list)| Step::Publish(room, list)),
        4 => (0..PARTITIONS, any::<u8>(), entries).prop_map(|(partition, share, e)| Step::Commit(partition, share, e)),
        2 => (0..KEYS.len(), any::<Option<u8>>()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => (0..KEYS.len(), any::<u8>()).prop_map(|(key, value)| Step::GetOrCreate(key, value)),
        2 => (0..KEYS.len(), any::<bool>(), any::<Option<u8>>()).prop_map(|(k, right, v)| Step::CompareAndSwap(k, right, v)),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default)]
struct ModelRoom {
    head: u64,
    events: Vec<(u64, String)>,
    state: Option<(u64, String)>,
}

#[derive(Default)]
struct ModelPartition {
    log: Vec<String>,
    position: u64,
    published: u64,
    seq: u64,
    entries: BTreeMap<Box<str>, String>,
}

struct Model {
    engine: Arc<dyn Engine>,
    tokens: Vec<Token>,
    epochs: BTreeMap<RoomId, Epoch>,
    partitions: BTreeMap<Partition, ModelPartition>,
    rooms: BTreeMap<RoomId, ModelRoom>,
    registry: BTreeMap<Box<str>, String>,
    written: u64,
}

/// Log, state, rooms and registry match the model, also over restarts.
pub async fn a_random_walk_matches_a_model<F: Fixture>(fixture: impl Fn() -> F) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let walk = |steps: Vec<Step>| {
        let fixture = fixture();
        Handle::current().block_on(async {
            let mut model = Model::open(&fixture).await;
            for step in steps {
                model.take(&fixture, step).await;
            }
            model.compare().await;
            model.take(&fixture, Step::Restart).await;
            model.engine.close().await.unwrap();
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&vec(step(), 1..60), walk)).unwrap();
}

impl Model {
    async fn open(fixture: &dyn Fixture) -> Self {
        let mut model = Self {
            engine: fixture.open().await,
            tokens: Vec::new(),
            epochs: BTreeMap::new(),
            partitions: (0..PARTITIONS).map(|p| (Partition(p), ModelPartition::default())).collect(),
            rooms: ROOMS.map(|name| (calls(name), ModelRoom::default())).into(),
            registry: BTreeMap::new(),
            written: 0,
        };
        model.own_all().await;
        model
    }

    async fn own_all(&mut self) {
        self.tokens.clear();
        for partition in 0..PARTITIONS {
            self.tokens.push(own(&*self.engine, Partition(partition)).await);
        }
    }

    async fn take(&mut self, fixture: &dyn Fixture, step: Step) {
        match step {
            Step::Append(partition, count) => {
                let partition = Partition(partition);
                let records: Vec<_> = (0..count).map(|n| format!("{}", self.written + n as u64)).collect();
                self.written += count as u64;
                self.engine.append(records.iter().map(|r| (partition, bytes(r))).collect()).await.unwrap();
                self.partition(partition).log.extend(records);
            }
            Step::Publish(room, list) => self.publish(calls(ROOMS[room]), list).await,
            Step::Commit(partition, share, entries) => self.commit(Partition(partition), share, entries).await,
            Step::Set(key, value) => {
                let value = value.map(|value| value.to_string());
                self.engine.set(KEYS[key], value.clone().map(bytes)).await.unwrap();
                match value {
                    Some(value) => self.registry.insert(KEYS[key].into(), value),
                    None => self.registry.remove(KEYS[key]),
                };
            }
            Step::CompareAndSwap(key, is_right, value) => {
                let current = self.registry.get(KEYS[key]).cloned();
                let expected = if is_right { current } else { Some("something else".to_owned()) };
                let value = value.map(|value| value.to_string());
                let swapped =
                    self.engine.compare_and_swap(KEYS[key], expected.map(bytes), value.clone().map(bytes)).await;
                assert_eq!(swapped, Ok(is_right));
                match value {
                    _ if !is_right => None,
                    Some(value) => self.registry.insert(KEYS[key].into(), value),
                    None => self.registry.remove(KEYS[key]),
                };
            }
            Step::GetOrCreate(key, value) => {
                let current = self.registry.entry(KEYS[key].into()).or_insert_with(|| value.to_string());
                let got = self.engine.get_or_create(KEYS[key], bytes(value.to_string())).await.unwrap();
                assert_eq!(text(&got), *current);
            }
            Step::Restart => {
                self.compare().await;
                for token in self.tokens.drain(..) {
                    self.engine.release(token).await.unwrap();
                }
                self.engine.close().await.unwrap();
                self.engine = fixture.open().await;
                self.own_all().await;
                self.compare().await;
            }
        }
    }

    async fn publish(&mut self, room: RoomId, list: Vec<(Lane, i8)>) {
        let token = self.tokens[usize::from(home(&room).0)];
        let partition = self.partitions.get_mut(&home(&room)).expect("the model has all of them");
        let before = partition.published;
        let model = self.rooms.get_mut(&room).expect("the model has all of them");
        let mut publications = Vec::new();
        for (lane, distance) in list {
            self.written += 1;
            let (position, body) = (before.saturating_add_signed(i64::from(distance)), self.written.to_string());
            partition.published = partition.published.max(position);
            publications.push(match lane {
                Lane::Event => event(&room, position, &body),
                Lane::State => state(&room, position, &body),
            });
            match lane {
                Lane::Event if position <= before => {}
                Lane::Event => {
                    model.head += 1;
                    model.events.push((model.head, body));
                }
                Lane::State => {
                    model.head += 1;
                    model.state = Some((model.head, body));
                }
            }
        }
        let position = Position(partition.published);
        let batch = Batch { expected_seq: partition.seq, position, publications };
        partition.seq += 1;
        assert_eq!(self.engine.publish(token, batch).await, Ok(partition.seq));
    }

    async fn commit(&mut self, partition: Partition, share: u8, entries: Vec<(usize, Option<u8>)>) {
        let token = self.tokens[usize::from(partition.0)];
        let model = self.partition(partition);
        let above = model.log.len() as u64 - model.position;
        model.position += above * u64::from(share) / 255;
        // A key that is put and deleted at once is deleted.
        let (mut puts, mut deletes) = (Vec::<(Box<str>, _)>::new(), Vec::<Box<str>>::new());
        for (key, value) in entries {
            match value {
                Some(value) => puts.push((KEYS[key].into(), value.to_string())),
                None => deletes.push(KEYS[key].into()),
            }
        }
        model.entries.extend(puts.iter().cloned());
        deletes.iter().for_each(|key| drop(model.entries.remove(key)));
        let position = Position(model.position);
        let puts = puts.into_iter().map(|(key, value)| (key, bytes(value))).collect();
        self.engine.commit(token, position, puts, deletes).await.unwrap();
    }

    fn partition(&mut self, partition: Partition) -> &mut ModelPartition {
        self.partitions.get_mut(&partition).expect("the model has all of them")
    }

    async fn compare(&mut self) {
        for (partition, model) in &self.partitions {
            let expected: Vec<_> = (1..).zip(model.log.iter().cloned()).skip(model.position as usize).collect();
            assert_eq!(logged(&*self.engine, *partition, model.position).await, expected, "{partition:?}");
            let loaded = self.engine.load(*partition).await.unwrap();
            let published = model.published.max(model.position);
            assert_eq!((loaded.position.0, loaded.published.0, loaded.seq), (model.position, published, model.seq));
            let entries: Vec<_> = loaded.entries.iter().map(|(key, value)| (key.clone(), text(value))).collect();
            assert_eq!(entries, model.entries.clone().into_iter().collect::<Vec<_>>());
        }
        for (room, model) in &self.rooms {
            let seen = view(&*self.engine, room).await;
            assert_eq!(seen.head, model.head, "{room}");
            assert_eq!(seen.state.as_ref().map(|state| (state.offset, text(&state.body))), model.state, "{room}");
            let kept = model.events.iter().filter(|(offset, _)| *offset > seen.trimmed).cloned().collect::<Vec<_>>();
            assert_eq!(places(&seen), kept, "{room}");
            let promised = model.events.len().min(HISTORIES.calls.events as usize);
            assert!(kept.len() >= promised, "{room} keeps {} of {promised} events", kept.len());
            let epoch = self.epochs.entry(room.clone()).or_insert(seen.epoch);
            assert_eq!(*epoch, seen.epoch, "the epoch of {room} changed");
        }
        let registry: Vec<_> = self.registry.iter().map(|(key, value)| (key.clone(), bytes(value))).collect();
        assert_eq!(self.engine.list("").await.unwrap(), registry);
    }
}
