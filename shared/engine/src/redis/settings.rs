//! Settings of the engine on Redis: where it is, timeouts and intervals.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Histories;

/// The settings of an engine on Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// The URL of the Redis.
    ///
    /// `redis://host:port`, `redis+sentinel://host:port,host:port/master-name` or
    /// `redis+cluster://host:port,host:port`.
    ///
    /// `rediss` instead of `redis` means TLS.
    pub url: String,
    /// The ACL user; none means the default user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// A PEM file with the certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The prefix of all keys and channels.
    pub prefix: String,
    /// The number of partitions; an existing installation must have the same.
    pub partitions: u16,
    /// How much history rooms keep.
    pub histories: Histories,
    /// The limit of a partition's log, in bytes.
    ///
    /// A full log refuses appends until its owner has caught up.
    pub log_bytes: u64,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a short command may take; after that its connection is checked.
    pub response_timeout: Duration,
    /// How long a long read may take.
    pub bulk_timeout: Duration,
    /// How often a pub/sub connection is pinged.
    pub ping_every: Duration,
    /// How often a canary message is published and expected back, on each node.
    pub canary_every: Duration,
    /// How often the slot map of a cluster is refreshed without a reason to.
    pub refresh_every: Duration,
}

impl RedisSettings {
    /// Returns the default settings for the Redis at a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            user: None,
            password: None,
            ca_file: None,
            prefix: "ringside".to_owned(),
            partitions: 64,
            histories: Histories::default(),
            log_bytes: 64 << 20,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            bulk_timeout: Duration::from_secs(20),
            ping_every: Duration::from_secs(1),
            canary_every: Duration::from_secs(5),
            refresh_every: Duration::from_secs(15),
        }
    }
}

/// A password. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
