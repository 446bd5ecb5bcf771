//! What can go wrong with a Redis, in sentences for the operator.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::super::EngineError;
use super::topology::Address;

/// Why an engine could not be connected to its Redis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL can't be used.
    #[error(
        "the Redis URL can't be used: {0}. It has the form redis://host:port, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; rediss in place of redis is TLS"
    )]
    BadUrl(String),
    /// The prefix can't be used.
    #[error("the Redis prefix {0:?} can't be used: take letters, digits, dots, dashes, underscores and colons")]
    BadPrefix(String),
    /// The file of trusted certificates can't be read.
    #[error("the file of trusted certificates {path} can't be used: {detail}")]
    BadCa {
        /// Which file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// Nothing answers there.
    #[error("no Redis answers at {address}: {detail}")]
    Unreachable {
        /// Where.
        address: String,
        /// What happened.
        detail: String,
    },
    /// It wants another user or password, or some.
    #[error("the Redis at {address} refuses the login: {detail}. Set redis_user and redis_password")]
    Login {
        /// Where.
        address: String,
        /// What it says.
        detail: String,
    },
    /// The user may not do what is needed.
    #[error(
        "the Redis user may not do what Ringside needs: {detail}. Allow it ~{prefix}:* &{prefix}:* +@all -@dangerous +info +role +cluster|slots +cluster|myid"
    )]
    Forbidden {
        /// What keys and channels begin with.
        prefix: String,
        /// What it says.
        detail: String,
    },
    /// Its version has no sharded pub/sub.
    #[error("the Redis at {address} has version {version}; Ringside needs 7.0 or newer")]
    TooOld {
        /// Where.
        address: String,
        /// Its version.
        version: String,
    },
    /// A node of a cluster where a stand-alone Redis was expected, or the other way round.
    #[error("the Redis at {address} {}; say so in the URL: {}", if *.is_cluster { "is a node of a cluster" } else { "is no cluster" }, if *.is_cluster { "redis+cluster://" } else { "redis://" })]
    Mode {
        /// Where.
        address: String,
        /// What it is.
        is_cluster: bool,
    },
    /// It takes no writes.
    #[error("the Redis at {address} is a read-only replica; name its master, or use redis+sentinel://")]
    Replica {
        /// Where.
        address: String,
    },
    /// No sentinel knows a master of that name.
    #[error("no sentinel knows a master named {master:?}: {detail}")]
    NoMaster {
        /// What it was called.
        master: String,
        /// What the sentinels say.
        detail: String,
    },
    /// The installation was made with another number of partitions, which can't be changed.
    #[error(
        "the installation under the prefix {prefix:?} has {there} partitions and {asked} are configured; set {there}, or take another prefix"
    )]
    Partitions {
        /// What keys begin with.
        prefix: String,
        /// How many it has.
        there: u16,
        /// How many were asked for.
        asked: u16,
    },
    /// It answers in a way that is not understood.
    #[error("the Redis at {address} can't be used: {detail}")]
    Unusable {
        /// Where.
        address: String,
        /// What happened.
        detail: String,
    },
}

impl ConnectError {
    /// What an error on the way to a server means.
    pub(super) fn at(address: &Address, prefix: &str, error: &RedisError) -> Self {
        let (address, detail) = (address.to_string(), sentence(error));
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Login { address, detail },
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Forbidden { prefix: prefix.to_owned(), detail },
            ErrorKind::Io => Self::Unreachable { address, detail },
            _ => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Login { address, detail },
                _ => Self::Unusable { address, detail },
            },
        }
    }
}

impl From<ConnectError> for EngineError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// An error's own words, without the library's.
pub(super) fn sentence(error: &RedisError) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

/// A failed command as the engine's error.
pub(super) fn unavailable(error: &RedisError) -> EngineError {
    EngineError::Unavailable(sentence(error))
}

pub(super) fn closed() -> EngineError {
    EngineError::Unavailable("it is closed".to_owned())
}
