//! The contract on the embedded engine, and cases of a store on disk.

mod faults;
mod full;
mod killed;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{Embedded, EmbeddedSettings};
use crate::Engine;
use crate::contract::{Fixture, HISTORIES, LOG_BYTES, PARTITIONS};

/// A data folder that is removed after the test.
struct Data(TempDir);

impl Data {
    fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be created"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn settings() -> EmbeddedSettings {
    EmbeddedSettings {
        partitions: PARTITIONS,
        histories: HISTORIES,
        log_bytes: LOG_BYTES,
        ..EmbeddedSettings::default()
    }
}

#[async_trait]
impl Fixture for Data {
    async fn open(&self) -> Arc<dyn Engine> {
        Arc::new(Embedded::open(self.path(), settings()).expect("the folder is not in use"))
    }
}

crate::engine_contract!(Data::fresh());
