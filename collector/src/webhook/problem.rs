//! Rejections of the webhook as `application/problem+json`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringside_intake::IntakeError;

/// A request that was rejected as a whole.
#[derive(Debug)]
pub(super) struct Problem(ringside_http::Problem);

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(ringside_http::Problem::new(status, code, detail))
    }

    /// 400: the body can't be read.
    pub(super) fn unreadable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: the sender is not authenticated.
    pub(super) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 413: the body is larger than a request may be.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 415: the content type or encoding is not supported.
    pub(super) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// 503: a retry will help.
    pub(super) fn unavailable(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let problem = ringside_http::Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self(problem.with_retry_after(u64::from(retry_after_s)))
    }

    /// Of an NDJSON stream: lines before this one were handled and need not be sent again.
    pub(super) fn with_next_index(self, next_index: usize) -> Self {
        Self(self.0.with_member("nextIndex", next_index))
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let (status, code) = match error {
            IntakeError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            IntakeError::LogFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "log_full"),
            IntakeError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let problem = ringside_http::Problem::new(status, code, error.to_string());
        Self(problem.with_retry_after(u64::from(error.retry_after_s())))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
