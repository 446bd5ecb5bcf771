//! Partition state on Redis: a hash, with the positions in the meta hash.

use async_trait::async_trait;
use bytes::Bytes;

use super::node::Route;
use super::{Redis, reply, script};
use crate::{Checkpoint, EngineError, Partition, PartitionState, Position, Token};

#[async_trait]
impl PartitionState for Redis {
    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        let keys = [self.keys.meta(partition), self.keys.state(partition)];
        let command = script::call(&script::LOAD, &keys);
        let [positions, entries] = reply::fixed(self.call(partition, &script::LOAD, command, Route::Bulk).await?)?;
        let [position, published, seq] = reply::fixed(positions)?;
        let position = Position(reply::number(position)?.unwrap_or_default());
        // An owner that committed further than it published had nothing to publish.
        let published = Position(reply::number(published)?.unwrap_or_default()).max(position);
        let seq = reply::number(seq)?.unwrap_or_default();
        Ok(Checkpoint { position, published, seq, entries: reply::named(entries)? })
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        let partition = token.partition;
        let keys = [self.keys.meta(partition), self.keys.log(partition), self.keys.state(partition)];
        let mut command = script::call(&script::COMMIT, &keys);
        command.arg(token.number).arg(position.0).arg(puts.len() * 2);
        for (key, value) in &puts {
            command.arg(&**key).arg(&value[..]);
        }
        for key in &deletes {
            command.arg(&**key);
        }
        match reply::number(self.call(partition, &script::COMMIT, command, Route::Shared).await?)? {
            Some(1) => Ok(()),
            _ => Err(EngineError::Fenced(token)),
        }
    }
}
