//! A wrapper around an engine, for tests that interfere with some of its methods.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Batch, Checkpoint, Engine, EngineError, EventLog, JournalEntry, JournalEntryId, Journals, Leases, LogEntry,
    Members, Partition, PartitionState, Position, ReadFrom, Registry, RoomId, RoomView, Rooms, Subscription, Token,
};

/// Declares [`Around`], and implements the listed traits for its implementors.
macro_rules! around {
    ($($part:ident {
        $(async fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+
    })+) => {
        /// An engine that passes every call on to the one it wraps.
        ///
        /// Implementors override the methods that they interfere with.
        #[async_trait]
        #[expect(missing_docs, reason = "each is the engine's method of the same name")]
        pub trait Around: Send + Sync + 'static {
            /// Returns the wrapped engine.
            fn inner(&self) -> &dyn Engine;

            $($(async fn $method(&self, $($argument: $type),*) -> $answer {
                self.inner().$method($($argument),*).await
            })+)+
        }

        $(around! { @implement $part { $(async fn $method($($argument: $type),*) -> $answer;)+ } })+
    };
    (@implement EventLog { $($methods:tt)+ }) => {
        around! { @implement EventLog { $($methods)+ } fn partitions(&self) -> u16 { self.inner().partitions() } }
    };
    (@implement $part:ident {
        $(async fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+
    } $($sync:item)?) => {
        #[async_trait]
        impl<T: Around> $part for T {
            $($sync)?

            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                Around::$method(self, $($argument),*).await
            })+
        }
    };
}

around! {
    EventLog {
        async fn append(records: Vec<(Partition, Bytes)>) -> Result<(), EngineError>;
        async fn read_log(partition: Partition, after: Position, limit: usize) -> Result<Vec<LogEntry>, EngineError>;
        async fn wait_log(partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError>;
        async fn used_partitions() -> Result<Vec<Partition>, EngineError>;
    }
    Rooms {
        async fn publish(token: Token, batch: Batch) -> Result<u64, EngineError>;
        async fn subscribe(partition: Partition) -> Result<Box<dyn Subscription>, EngineError>;
        async fn read_room(room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError>;
    }
    Leases {
        async fn acquire(partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError>;
        async fn renew(token: Token, ttl: Duration) -> Result<bool, EngineError>;
        async fn release(token: Token) -> Result<(), EngineError>;
    }
    Members {
        async fn heartbeat(group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError>;
        async fn leave(group: &str, member: &str) -> Result<(), EngineError>;
    }
    PartitionState {
        async fn load(partition: Partition) -> Result<Checkpoint, EngineError>;
        async fn commit(
            token: Token,
            position: Position,
            puts: Vec<(Box<str>, Bytes)>,
            deletes: Vec<Box<str>>
        ) -> Result<(), EngineError>;
    }
    Registry {
        async fn get(key: &str) -> Result<Option<Bytes>, EngineError>;
        async fn get_or_create(key: &str, value: Bytes) -> Result<Bytes, EngineError>;
        async fn set(key: &str, value: Option<Bytes>) -> Result<(), EngineError>;
        async fn compare_and_swap(
            key: &str,
            expected: Option<Bytes>,
            value: Option<Bytes>
        ) -> Result<bool, EngineError>;
        async fn list(prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError>;
    }
    Journals {
        async fn append_journal(journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError>;
        async fn read_journal(
            journal: &str,
            before: Option<JournalEntryId>,
            limit: usize
        ) -> Result<Vec<JournalEntry>, EngineError>;
    }
    Engine {
        async fn ping() -> Result<(), EngineError>;
        async fn close() -> Result<(), EngineError>;
    }
}
