//! How the engine finds its Redis and how patient it is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::super::Histories;

/// How an engine on Redis is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it is: `redis://host:port`, `redis+sentinel://host:port,host:port/master-name` or
    /// `redis+cluster://host:port,host:port`; with `rediss` in place of `redis` over TLS.
    pub url: String,
    /// The ACL user; none is the default user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// A PEM file with the certificates that are trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// What all keys and channels begin with.
    pub prefix: String,
    /// How many partitions a new installation gets; an old one must have as many.
    pub partitions: u16,
    /// How much of their past rooms keep.
    pub histories: Histories,
    /// What a partition's log takes before its owner must catch up, in bytes.
    pub log_bytes: u64,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a usual command may take; then its connection counts as broken.
    pub response_timeout: Duration,
    /// How long the reading of much may take.
    pub bulk_timeout: Duration,
    /// How often a connection that waits for news is asked whether it still stands.
    pub pulse_every: Duration,
    /// How often a canary is sent the whole way that news travel, on each node.
    pub canary_every: Duration,
    /// How often a cluster is asked which node has which slots, when there is no reason to.
    pub survey_every: Duration,
}

impl RedisSettings {
    /// The usual settings for the Redis at a URL.
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
            pulse_every: Duration::from_secs(1),
            canary_every: Duration::from_secs(5),
            survey_every: Duration::from_secs(15),
        }
    }
}

/// A password, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
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
