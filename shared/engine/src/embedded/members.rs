//! Group membership in the embedded engine.
//!
//! All members are in this process, so a map is enough.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::Embedded;
use crate::{EngineError, Members};

#[async_trait]
impl Members for Embedded {
    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        Ok(self.members.heartbeat(group, member, ttl, Instant::now()))
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        self.members.leave(group, member);
        Ok(())
    }
}

type Groups = HashMap<String, BTreeMap<String, Instant>>;

/// The members of each group, and when each lapses.
#[derive(Debug, Default)]
pub(super) struct MemberTable(Mutex<Groups>);

impl MemberTable {
    fn heartbeat(&self, group: &str, member: &str, ttl: Duration, now: Instant) -> Vec<String> {
        let mut groups = self.0.lock();
        let members = groups.entry(group.to_owned()).or_default();
        members.insert(member.to_owned(), now + ttl);
        members.retain(|_, until| *until > now);
        members.keys().cloned().collect()
    }

    fn leave(&self, group: &str, member: &str) {
        if let Some(members) = self.0.lock().get_mut(group) {
            members.remove(member);
        }
    }
}
