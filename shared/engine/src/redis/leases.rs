//! Leases on Redis, each three fields of its partition's meta hash.

use std::time::Duration;

use async_trait::async_trait;

use super::node::Route;
use super::{Redis, micros, reply, script};
use crate::{EngineError, Leases, Partition, Token};

#[async_trait]
impl Leases for Redis {
    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        let mut command = script::call(&script::ACQUIRE, &[self.keys.meta(partition)]);
        command.arg(holder).arg(micros(ttl)).arg(rand::random::<u32>());
        let number = self.call(partition, &script::ACQUIRE, command, Route::Shared).await?;
        Ok(reply::number(number)?.map(|number| Token { partition, number }))
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        let mut command = script::call(&script::RENEW, &[self.keys.meta(token.partition)]);
        command.arg(token.number).arg(micros(ttl));
        Ok(reply::number(self.call(token.partition, &script::RENEW, command, Route::Shared).await?)? == Some(1))
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        let mut command = script::call(&script::RELEASE, &[self.keys.meta(token.partition)]);
        command.arg(token.number);
        self.call(token.partition, &script::RELEASE, command, Route::Shared).await.map(|_| ())
    }
}
