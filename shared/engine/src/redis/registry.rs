//! The registry on Redis: a hash a shelf.

use async_trait::async_trait;
use bytes::Bytes;
use redis::cmd;

use super::keys::installation_slot;
use super::node::Route;
use super::{Redis, reply, script};
use crate::{EngineError, Registry};

#[async_trait]
impl Registry for Redis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        let mut command = cmd("HGET");
        command.arg(self.keys.shelf(key)).arg(key);
        reply::bytes(self.ask(command, None, Route::Shared).await?)
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        self.check_open()?;
        self.create_field(installation_slot(), self.keys.shelf(key), key, value).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        let mut command = cmd(if value.is_some() { "HSET" } else { "HDEL" });
        command.arg(self.keys.shelf(key)).arg(key).arg(value.as_deref());
        self.ask(command, None, Route::Shared).await.map(|_| ())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        let mut command = script::call(&script::COMPARE_AND_SWAP, &[self.keys.shelf(key)]);
        command.arg(key);
        for argument in [&expected, &value] {
            command.arg(u8::from(argument.is_some())).arg(argument.as_deref().unwrap_or_default());
        }
        Ok(reply::number(self.ask(command, Some(&script::COMPARE_AND_SWAP), Route::Shared).await?)? == Some(1))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        let mut command = cmd("HGETALL");
        command.arg(self.keys.shelf(prefix));
        let mut all = reply::named(self.ask(command, None, Route::Bulk).await?)?;
        all.retain(|(key, _)| key.starts_with(prefix));
        Ok(all)
    }
}
