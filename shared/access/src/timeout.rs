//! The timeout of engine calls during sign-in and sign-out.

use std::time::Duration;

use ringside_engine::EngineError;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Caps how long sign-in and sign-out wait for an answer of the engine.
pub(crate) async fn with_timeout<T>(answer: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let no_answer = |_| Err(EngineError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs())));
    tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(no_answer)
}
