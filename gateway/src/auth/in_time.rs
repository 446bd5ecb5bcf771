//! The engine's answer within the time that somebody waits who logs in or out.

use std::time::Duration;

use ringside_engine::EngineError;

/// How long the engine may take to answer somebody who waits.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// The engine's answer, or that there is none: whoever logs in or out is not made to wait for a dead Redis.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let no_answer = |_| Err(EngineError::Unavailable(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())));
    tokio::time::timeout(ANSWERED_WITHIN, asked).await.unwrap_or_else(no_answer)
}
