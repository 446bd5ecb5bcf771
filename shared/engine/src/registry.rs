//! The registry: values such as signing keys and accounts.

use async_trait::async_trait;
use bytes::Bytes;

use super::EngineError;

/// A small durable key-value store for the whole installation.
///
/// Keys are grouped into shelves: a shelf is the part of a key before its first `/`. Keys without a slash share one
/// shelf of their own.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Returns a value.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError>;

    /// Sets a value if there is none; returns the current value.
    ///
    /// Concurrent creators all get the same value.
    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError>;

    /// Sets a value, or removes it if the new value is none.
    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError>;

    /// Sets or removes a value if the current one is `expected`.
    ///
    /// Returns whether it was.
    ///
    /// None as the expected value means that there is no value. After an error the value may have been set or not:
    /// read it to find out.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError>;

    /// Returns the values of one shelf by key prefix, in the order of the keys.
    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError>;
}
