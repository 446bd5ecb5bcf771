//! The registry in the embedded store.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, Readable};

use super::job::Job;
use super::store::{Store, failed, registry_key};
use super::{Embedded, check_key};
use crate::{EngineError, Registry};

#[async_trait]
impl Registry for Embedded {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        let key = key.to_owned();
        self.read(move |store| get(store, &key)).await
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        check_key(key)?;
        let key = key.into();
        self.request(|answer| Job::GetOrCreate { key, value, answer }).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        check_key(key)?;
        let key = key.into();
        self.request(|answer| Job::Set { key, value, answer }).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        check_key(key)?;
        let key = key.into();
        self.request(|answer| Job::CompareAndSwap { key, expected, value, answer }).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        let prefix = prefix.to_owned();
        self.read(move |store| list(store, &prefix)).await
    }
}

/// Values that the current group writes: later jobs of the group must see them.
#[derive(Debug, Default)]
pub(super) struct PendingValues(HashMap<Box<str>, Option<Bytes>>);

impl PendingValues {
    /// Sets a value if there is none; returns the current one.
    pub(super) fn get_or_create(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        key: Box<str>,
        value: Bytes,
    ) -> Result<Bytes, EngineError> {
        if let Some(current) = self.current(store, &key)? {
            return Ok(current);
        }
        self.set(store, batch, key, Some(value.clone()));
        Ok(value)
    }

    /// Sets or removes a value if the current one is the expected one.
    pub(super) fn compare_and_swap(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        key: Box<str>,
        expected: Option<&Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        let is_expected = self.current(store, &key)?.as_ref() == expected;
        if is_expected {
            self.set(store, batch, key, value);
        }
        Ok(is_expected)
    }

    /// Sets or removes a value.
    pub(super) fn set(&mut self, store: &Store, batch: &mut WriteBatch, key: Box<str>, value: Option<Bytes>) {
        match &value {
            Some(value) => batch.insert(&store.state, registry_key(&key), &value[..]),
            None => batch.remove(&store.state, registry_key(&key)),
        }
        self.0.insert(key, value);
    }

    fn current(&self, store: &Store, key: &str) -> Result<Option<Bytes>, EngineError> {
        match self.0.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => get(store, key),
        }
    }
}

/// Returns a value.
fn get(store: &Store, key: &str) -> Result<Option<Bytes>, EngineError> {
    let value = store.now().get(&store.state, registry_key(key)).map_err(failed)?;
    Ok(value.map(|value| Bytes::copy_from_slice(&value)))
}

/// Returns the values of one shelf whose keys begin with `prefix`.
fn list(store: &Store, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
    let mut all = named(store.now().prefix(&store.state, registry_key(prefix)), 1)?;
    if !prefix.contains('/') {
        all.retain(|(key, _)| !key.contains('/'));
    }
    Ok(all)
}

/// Decodes pairs whose keys are text after `skip` bytes.
pub(super) fn named(pairs: fjall::Iter, skip: usize) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
    pairs
        .map(|pair| {
            let (key, value) = pair.into_inner().map_err(failed)?;
            let name = str::from_utf8(&key[skip..]).map_err(|e| EngineError::Damaged(e.to_string()))?;
            Ok((name.into(), Bytes::copy_from_slice(&value)))
        })
        .collect()
}
