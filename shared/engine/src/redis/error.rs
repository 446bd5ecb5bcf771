//! Errors of Redis, in sentences for the operator.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::Address;
use crate::EngineError;

/// Why an engine can't connect to its Redis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL can't be used.
    #[error(
        "the Redis URL can't be used: {0}. It has the form redis://host:port, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; rediss instead of redis means TLS"
    )]
    BadUrl(String),
    /// The prefix can't be used.
    #[error("the Redis prefix {0:?} can't be used: take letters, digits, dots, dashes, underscores and colons")]
    BadPrefix(String),
    /// The file of trusted certificates can't be read.
    #[error("the file of trusted certificates {path} can't be used: {detail}")]
    BadCa {
        /// The file.
        path: PathBuf,
        /// The cause.
        detail: String,
    },
    /// No server answers at the address.
    #[error("no Redis answers at {address}: {detail}")]
    Unreachable {
        /// The server.
        address: String,
        /// The cause.
        detail: String,
    },
    /// The server requires another user or password.
    #[error("the Redis at {address} refuses the login: {detail}. Set redis_user and redis_password")]
    Login {
        /// The server.
        address: String,
        /// The server's message.
        detail: String,
    },
    /// The user lacks permissions that Ringside needs.
    #[error(
        "the Redis user lacks permissions that Ringside needs: {detail}. Allow it ~{prefix}:* &{prefix}:* +@all -@dangerous +info +role +cluster|slots +cluster|myid"
    )]
    Forbidden {
        /// The prefix of keys and channels.
        prefix: String,
        /// The server's message.
        detail: String,
    },
    /// The server's version has no sharded pub/sub.
    #[error("the Redis at {address} has version {version}; Ringside needs 7.0 or newer")]
    TooOld {
        /// The server.
        address: String,
        /// The server's version.
        version: String,
    },
    /// A cluster node instead of a stand-alone Redis, or the other way round.
    #[error("the Redis at {address} {}; say so in the URL: {}", if *.is_cluster { "is a node of a cluster" } else { "is no cluster" }, if *.is_cluster { "redis+cluster://" } else { "redis://" })]
    Mode {
        /// The server.
        address: String,
        /// Whether the server is a cluster node.
        is_cluster: bool,
    },
    /// The server takes no writes.
    #[error("the Redis at {address} is a read-only replica; name its master, or use redis+sentinel://")]
    Replica {
        /// The server.
        address: String,
    },
    /// No sentinel knows a master of that name.
    #[error("no sentinel knows a master named {master:?}: {detail}")]
    NoMaster {
        /// The name in the URL.
        master: String,
        /// The sentinels' answer.
        detail: String,
    },
    /// The installation has another number of partitions, which can't be changed.
    #[error(
        "the installation under the prefix {prefix:?} has {actual} partitions and {wanted} are configured; set {actual}, or take another prefix"
    )]
    Partitions {
        /// The prefix of its keys.
        prefix: String,
        /// Its number of partitions.
        actual: u16,
        /// The configured number.
        wanted: u16,
    },
    /// The server's answer is not understood.
    #[error("the Redis at {address} can't be used: {detail}")]
    Unusable {
        /// The server.
        address: String,
        /// The cause.
        detail: String,
    },
}

impl ConnectError {
    /// Classifies an error from connecting to a server.
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

/// Returns an error's own message, without the library's additions.
pub(super) fn sentence(error: &RedisError) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

/// Converts a failed command's error.
pub(super) fn unavailable(error: &RedisError) -> EngineError {
    EngineError::Unavailable(sentence(error))
}

/// The error of an engine that was closed.
pub(super) fn closed() -> EngineError {
    EngineError::Unavailable("it is closed".to_owned())
}
