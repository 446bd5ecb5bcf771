//! Who is there: all in this process, so a map is enough.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::super::{EngineError, Members};
use super::Embedded;

#[async_trait]
impl Members for Embedded {
    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        Ok(self.members.attend(group, member, ttl, Instant::now()))
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        self.members.leave(group, member);
        Ok(())
    }
}

type Groups = HashMap<String, BTreeMap<String, Instant>>;

/// The members of each group and how long each is counted.
#[derive(Debug, Default)]
pub(super) struct MemberTable(Mutex<Groups>);

impl MemberTable {
    pub(super) fn attend(&self, group: &str, member: &str, ttl: Duration, now: Instant) -> Vec<String> {
        let mut groups = self.groups();
        let members = groups.entry(group.to_owned()).or_default();
        members.insert(member.to_owned(), now + ttl);
        members.retain(|_, until| *until > now);
        members.keys().cloned().collect()
    }

    pub(super) fn leave(&self, group: &str, member: &str) {
        if let Some(members) = self.groups().get_mut(group) {
            members.remove(member);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().expect("nobody panics among the members")
    }
}
