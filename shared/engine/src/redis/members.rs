//! Group membership on Redis: a sorted set a group.
//!
//! The score is the time at which the member lapses.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;

use super::node::Route;
use super::{Redis, micros, reply, script};
use crate::{EngineError, Members};

#[async_trait]
impl Members for Redis {
    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        let mut command = script::call(&script::HEARTBEAT, &[self.keys.members(group)]);
        command.arg(member).arg(micros(ttl));
        let members = reply::list(self.ask(command, Some(&script::HEARTBEAT), Route::Shared).await?)?;
        let mut members: Vec<String> =
            members.into_iter().filter_map(|member| reply::text(member).transpose()).collect::<Result<_, _>>()?;
        members.sort();
        Ok(members)
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        let mut command = cmd("ZREM");
        command.arg(self.keys.members(group)).arg(member);
        self.ask(command, None, Route::Shared).await.map(|_| ())
    }
}
