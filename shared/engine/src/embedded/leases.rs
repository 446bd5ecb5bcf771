//! Leases in the embedded engine, in memory.
//!
//! Leases live as long as the process, because all owners are in it. Token numbers begin above those of every earlier
//! session, so that a token of an earlier session is never valid again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Embedded;
use super::job::Job;
use crate::{EngineError, Leases, Partition, Token};

#[async_trait]
impl Leases for Embedded {
    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        self.check(partition)?;
        let holder = holder.into();
        self.request(|answer| Job::Acquire { partition, holder, ttl, answer }).await
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        self.request(|answer| Job::Renew { token, ttl, answer }).await
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        self.request(|answer| Job::Release { token, answer }).await
    }
}

/// All leases of this session.
#[derive(Debug)]
pub(super) struct LeaseTable {
    next: u64,
    by_partition: HashMap<Partition, Lease>,
}

#[derive(Debug)]
struct Lease {
    number: u64,
    holder: Box<str>,
    /// None once it was released.
    until: Option<Instant>,
}

impl LeaseTable {
    /// Creates an empty table in the `opening`th session of the store.
    pub(super) fn new(opening: u32) -> Self {
        Self { next: u64::from(opening) << 32 | 1, by_partition: HashMap::new() }
    }

    /// Takes a partition unless another holder has it.
    pub(super) fn acquire(&mut self, partition: Partition, holder: &str, ttl: Duration) -> Option<Token> {
        let now = Instant::now();
        if let Some(lease) = self.by_partition.get(&partition)
            && lease.until.is_some_and(|until| until > now)
            && *lease.holder != *holder
        {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.by_partition.insert(partition, Lease { number, holder: holder.into(), until: Some(now + ttl) });
        Some(Token { partition, number })
    }

    /// Extends a lease, even a lapsed one that no other holder took.
    pub(super) fn renew(&mut self, token: Token, ttl: Duration) -> bool {
        match self.current(token) {
            Some(lease) => {
                lease.until = Some(Instant::now() + ttl);
                true
            }
            None => false,
        }
    }

    /// Releases a lease if the token is current.
    pub(super) fn release(&mut self, token: Token) {
        if let Some(lease) = self.current(token) {
            lease.until = None;
        }
    }

    /// Returns Ok if the token is the newest of its partition and was not released.
    pub(super) fn check(&mut self, token: Token) -> Result<(), EngineError> {
        self.current(token).map(|_| ()).ok_or(EngineError::Fenced(token))
    }

    fn current(&mut self, token: Token) -> Option<&mut Lease> {
        let lease = self.by_partition.get_mut(&token.partition)?;
        (lease.number == token.number && lease.until.is_some()).then_some(lease)
    }
}
