//! An engine with injected faults, as one owner sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use ringside_engine::contract::Around;
use ringside_engine::{Batch, Checkpoint, Engine, EngineError, LogEntry, Partition, Position, Token};

/// Wraps an engine; injects faults and counts calls.
pub(crate) struct FaultyEngine {
    inner: Arc<dyn Engine>,
    /// Lease renewals never return.
    pub(crate) ignores_renewals: AtomicBool,
    /// Every call fails as unavailable.
    pub(crate) is_unavailable: AtomicBool,
    /// The log of this partition rejects appends as full.
    pub(crate) full: Mutex<Option<Partition>>,
    /// Delay of each log read, in milliseconds.
    pub(crate) page_ms: AtomicUsize,
    pub(crate) acquired: AtomicUsize,
    pub(crate) renewed: AtomicUsize,
    pub(crate) released: AtomicUsize,
    pub(crate) committed: AtomicUsize,
    pub(crate) rejected: AtomicUsize,
}

impl FaultyEngine {
    pub(crate) fn new(inner: Arc<dyn Engine>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            ignores_renewals: AtomicBool::new(false),
            is_unavailable: AtomicBool::new(false),
            full: Mutex::new(None),
            page_ms: AtomicUsize::new(0),
            acquired: AtomicUsize::new(0),
            renewed: AtomicUsize::new(0),
            released: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            rejected: AtomicUsize::new(0),
        })
    }

    fn check_available(&self) -> Result<(), EngineError> {
        if self.is_unavailable.load(Ordering::SeqCst) { Err(EngineError::Unavailable("a test".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Around for FaultyEngine {
    fn inner(&self) -> &dyn Engine {
        &*self.inner
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        self.check_available()?;
        let full = *self.full.lock();
        if let Some(full) = full.filter(|full| records.iter().any(|(partition, _)| partition == full)) {
            self.rejected.fetch_add(1, Ordering::SeqCst);
            return Err(EngineError::LogFull(full.0));
        }
        self.inner.append(records).await
    }

    async fn read_log(&self, p: Partition, after: Position, limit: usize) -> Result<Vec<LogEntry>, EngineError> {
        self.check_available()?;
        let page_ms = self.page_ms.load(Ordering::SeqCst) as u64;
        tokio::time::sleep(Duration::from_millis(page_ms)).await;
        self.inner.read_log(p, after, limit).await
    }

    async fn wait_log(&self, p: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.check_available()?;
        self.inner.wait_log(p, after, patience).await
    }

    async fn acquire(&self, p: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        self.check_available()?;
        let token = self.inner.acquire(p, holder, ttl).await?;
        self.acquired.fetch_add(usize::from(token.is_some()), Ordering::SeqCst);
        Ok(token)
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        self.check_available()?;
        if self.ignores_renewals.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.renewed.fetch_add(1, Ordering::SeqCst);
        self.inner.renew(token, ttl).await
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        self.check_available()?;
        self.released.fetch_add(1, Ordering::SeqCst);
        self.inner.release(token).await
    }

    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        self.check_available()?;
        self.inner.heartbeat(group, member, ttl).await
    }

    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        self.check_available()?;
        self.inner.load(partition).await
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        self.check_available()?;
        self.inner.commit(token, position, puts, deletes).await?;
        self.committed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        self.check_available()?;
        self.inner.publish(token, batch).await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.check_available()?;
        self.inner.ping().await
    }
}
