//! The event log on Redis: a stream a partition, with the ids 0-1, 0-2, ...
//!
//! The second half of an id is the position.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Value, cmd};
use tokio::task::JoinSet;

use super::keys::slot;
use super::node::Route;
use super::router::Request;
use super::{Redis, reply, script};
use crate::{EngineError, EventLog, LogEntry, Partition, Position};

/// How many entries are read over the shared connection.
///
/// A longer read continues over the pool.
const SHORT_READ: usize = 128;
/// How many entries are read at a time over the pool.
const LONG_READ: usize = 2_000;

#[async_trait]
impl EventLog for Redis {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        let mut by_partition: BTreeMap<Partition, Vec<Bytes>> = BTreeMap::new();
        for (partition, record) in records {
            self.check(partition)?;
            by_partition.entry(partition).or_default().push(record);
        }
        let mut appends = JoinSet::new();
        for (partition, records) in by_partition {
            let mut command = script::call(&script::APPEND, &[self.keys.meta(partition), self.keys.log(partition)]);
            command.arg(self.log_bytes).arg(self.keys.appends(partition));
            for record in &records {
                command.arg(&record[..]);
            }
            let router = self.router.clone();
            appends.spawn(async move {
                let script = Some(&*script::APPEND);
                let slot = slot(partition);
                let head = router.send(Request { slot, command, script, route: Route::Shared }).await?;
                reply::number(head)?.map(|_| ()).ok_or(EngineError::LogFull(partition.0))
            });
        }
        // Waits for all, even after a failure: the others are under way anyway.
        let results = appends.join_all().await;
        results.into_iter().collect()
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        self.check(partition)?;
        let (mut entries, mut after) = (Vec::new(), after);
        let (mut page, mut route) = (SHORT_READ, Route::Shared);
        while entries.len() < limit {
            let count = page.min(limit - entries.len());
            let mut command = cmd("XRANGE");
            command.arg(self.keys.log(partition)).arg(format!("(0-{}", after.0)).arg("+").arg("COUNT").arg(count);
            let slot = slot(partition);
            let read = reply::entries(self.router.send(Request { slot, command, script: None, route }).await?)?;
            let is_last = read.len() < count;
            for (id, fields) in read {
                let position = id.strip_prefix("0-").and_then(|position| position.parse().ok());
                let position = Position(position.ok_or_else(|| malformed(partition, &id))?);
                let record = fields.into_iter().next().map(reply::bytes).transpose()?.flatten();
                entries.push(LogEntry { position, record: record.ok_or_else(|| malformed(partition, &id))? });
                after = position;
            }
            if is_last {
                break;
            }
            (page, route) = (LONG_READ, Route::Bulk);
        }
        Ok(entries)
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.check(partition)?;
        self.subscriber.wait_append(partition, after, patience).await
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        self.check_open()?;
        let mut reads = JoinSet::new();
        for partition in (0..self.partitions).map(Partition) {
            let mut command = cmd("HMGET");
            command.arg(self.keys.meta(partition)).arg(&["head", "position", "seq"]);
            let router = self.router.clone();
            reads.spawn(async move {
                let request = Request { slot: slot(partition), command, script: None, route: Route::Shared };
                let fields = reply::list(router.send(request).await?)?;
                Ok(fields.iter().any(|field| *field != Value::Nil).then_some(partition))
            });
        }
        let used: Result<Vec<_>, EngineError> = reads.join_all().await.into_iter().collect();
        let mut used: Vec<Partition> = used?.into_iter().flatten().collect();
        used.sort();
        Ok(used)
    }
}

fn malformed(partition: Partition, id: &str) -> EngineError {
    EngineError::Damaged(format!("the log of partition {} has an entry {id} that is malformed", partition.0))
}
