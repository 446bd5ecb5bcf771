//! Requests to the writer thread, each with the sender of its answer.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Batch, EngineError, Partition, Position, Token};

/// Sends a job's answer. The send fails if the caller has given up, which is fine.
pub(super) type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

/// A request to the writer.
pub(super) enum Job {
    Append { records: Vec<(Partition, Bytes)>, answer: Answer<()> },
    Commit { token: Token, commit: Commit, answer: Answer<()> },
    Publish { token: Token, batch: Batch, answer: Answer<u64> },
    Acquire { partition: Partition, holder: Box<str>, ttl: Duration, answer: Answer<Option<Token>> },
    Renew { token: Token, ttl: Duration, answer: Answer<bool> },
    Release { token: Token, answer: Answer<()> },
    GetOrCreate { key: Box<str>, value: Bytes, answer: Answer<Bytes> },
    Set { key: Box<str>, value: Option<Bytes>, answer: Answer<()> },
    CompareAndSwap { key: Box<str>, expected: Option<Bytes>, value: Option<Bytes>, answer: Answer<bool> },
    AppendJournal { journal: Box<str>, records: Vec<Bytes>, keep: Duration, answer: Answer<()> },
    Ping { answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// The arguments of a commit.
pub(super) struct Commit {
    pub(super) position: Position,
    pub(super) puts: Vec<(Box<str>, Bytes)>,
    pub(super) deletes: Vec<Box<str>>,
}

impl Job {
    /// Answers with an error.
    pub(super) fn refuse(self, error: EngineError) {
        // The caller may have given up.
        match self {
            Self::Append { answer, .. }
            | Self::Commit { answer, .. }
            | Self::Release { answer, .. }
            | Self::Set { answer, .. }
            | Self::AppendJournal { answer, .. }
            | Self::Ping { answer }
            | Self::Close { answer } => drop(answer.send(Err(error))),
            Self::Publish { answer, .. } => drop(answer.send(Err(error))),
            Self::Acquire { answer, .. } => drop(answer.send(Err(error))),
            Self::Renew { answer, .. } | Self::CompareAndSwap { answer, .. } => drop(answer.send(Err(error))),
            Self::GetOrCreate { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}
