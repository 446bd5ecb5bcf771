//! Partition state in the embedded store.

use async_trait::async_trait;
use bytes::Bytes;
use fjall::Readable;

use super::job::{Commit, Job};
use super::log::{CheckpointRecord, checkpoint_key};
use super::registry::named;
use super::rooms::{Published, published_key};
use super::store::{Store, decode, failed, partition_key};
use super::{Embedded, check_key};
use crate::{Checkpoint, EngineError, Partition, PartitionState, Position, Token};

#[async_trait]
impl PartitionState for Embedded {
    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        self.check(partition)?;
        self.read(move |store| load(store, partition)).await
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        puts.iter().map(|(key, _)| key).chain(&deletes).try_for_each(|key| check_key(key))?;
        let commit = Commit { position, puts, deletes };
        self.request(|answer| Job::Commit { token, commit, answer }).await
    }
}

/// The length of tag and partition before an entry's key.
const ENTRY_PREFIX_BYTES: usize = 3;

/// Reads state and positions from one snapshot.
fn load(store: &Store, partition: Partition) -> Result<Checkpoint, EngineError> {
    let now = store.now();
    let read = |key| now.get(&store.state, key).map_err(failed);
    let checkpoint = read(checkpoint_key(partition))?;
    let checkpoint = checkpoint.map_or(Ok(CheckpointRecord::default()), |value| decode(&value))?;
    let published = read(published_key(partition))?;
    let published = published.map_or(Ok(Published::default()), |value| decode(&value))?;
    let entries = named(now.prefix(&store.state, partition_key(b'e', partition, "")), ENTRY_PREFIX_BYTES)?;
    Ok(Checkpoint {
        position: Position(checkpoint.position),
        // An owner that committed further than it published had nothing to publish.
        published: Position(published.position.max(checkpoint.position)),
        seq: published.seq,
        entries,
    })
}

/// True if the partition was ever committed or published to.
pub(super) fn is_stateful(store: &Store, partition: Partition) -> Result<bool, EngineError> {
    let exists = |key| store.state.contains_key(key).map_err(failed);
    Ok(exists(checkpoint_key(partition))? || exists(published_key(partition))?)
}
