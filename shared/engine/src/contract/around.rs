//! An engine around another one: tests meddle with what they name, and the rest goes through.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::super::{
    Batch, Checkpoint, Engine, EngineError, JournalEntry, JournalEntryId, LogEntry, Partition, Position, ReadFrom,
    RoomId, RoomView, Subscription, Token,
};

/// Whoever is around an engine is one too; what it does not do otherwise, the inner one does.
#[async_trait]
#[expect(missing_docs, reason = "each is the method of `Engine` that has its name")]
pub trait Around: Send + Sync + 'static {
    /// The engine that it is around.
    fn inner(&self) -> &dyn Engine;

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        self.inner().append(records).await
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        self.inner().read_log(partition, after, limit).await
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.inner().wait_log(partition, after, patience).await
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        self.inner().used_partitions().await
    }

    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        self.inner().acquire(partition, holder, ttl).await
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        self.inner().renew(token, ttl).await
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        self.inner().release(token).await
    }

    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        self.inner().heartbeat(group, member, ttl).await
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        self.inner().leave(group, member).await
    }

    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        self.inner().load(partition).await
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        self.inner().commit(token, position, puts, deletes).await
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        self.inner().publish(token, batch).await
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        self.inner().subscribe(partition).await
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        self.inner().read_room(room, from).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        self.inner().get(key).await
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        self.inner().get_or_create(key, value).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        self.inner().set(key, value).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        self.inner().compare_and_swap(key, expected, value).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        self.inner().list(prefix).await
    }

    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        self.inner().append_journal(journal, records, keep).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        self.inner().read_journal(journal, before, limit).await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.inner().ping().await
    }

    async fn close(&self) -> Result<(), EngineError> {
        self.inner().close().await
    }
}

#[async_trait]
impl<T: Around> Engine for T {
    fn partitions(&self) -> u16 {
        self.inner().partitions()
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        Around::append(self, records).await
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        Around::read_log(self, partition, after, limit).await
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        Around::wait_log(self, partition, after, patience).await
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        Around::used_partitions(self).await
    }

    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        Around::acquire(self, partition, holder, ttl).await
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        Around::renew(self, token, ttl).await
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        Around::release(self, token).await
    }

    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        Around::heartbeat(self, group, member, ttl).await
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        Around::leave(self, group, member).await
    }

    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        Around::load(self, partition).await
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        Around::commit(self, token, position, puts, deletes).await
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        Around::publish(self, token, batch).await
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        Around::subscribe(self, partition).await
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        Around::read_room(self, room, from).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        Around::get(self, key).await
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        Around::get_or_create(self, key, value).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        Around::set(self, key, value).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        Around::compare_and_swap(self, key, expected, value).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        Around::list(self, prefix).await
    }

    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        Around::append_journal(self, journal, records, keep).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        Around::read_journal(self, journal, before, limit).await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        Around::ping(self).await
    }

    async fn close(&self) -> Result<(), EngineError> {
        Around::close(self).await
    }
}
