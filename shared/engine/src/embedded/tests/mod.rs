//! The contract on this engine, and what only a store on disk can go through.

mod faults;
mod full;
mod killed;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{Embedded, EmbeddedSettings};
use crate::Engine;
use crate::contract::{Arena, HISTORIES, LOG_BYTES, PARTITIONS};

/// A folder that goes with the test.
struct Data(TempDir);

impl Data {
    fn fresh() -> Self {
        Self(tempfile::tempdir().expect("there is room for a folder"))
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
impl Arena for Data {
    async fn open(&self) -> Arc<dyn Engine> {
        Arc::new(Embedded::open(self.path(), settings()).expect("the folder was closed before"))
    }
}

crate::engine_contract!(Data::fresh());
