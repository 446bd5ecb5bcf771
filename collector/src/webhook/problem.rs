//! Errors as `application/problem+json`, with a stable code and a sentence.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringside_intake::IntakeError;
use serde::Serialize;

/// The error of a request that was rejected as a whole.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_s: Option<u32>,
    /// The first line of an NDJSON stream that has to be sent again.
    next_index: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemJson<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_index: Option<usize>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after_s: None, next_index: None }
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
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    pub(super) fn with_next_index(self, next_index: usize) -> Self {
        Self { next_index: Some(next_index), ..self }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let (status, code) = match error {
            IntakeError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            IntakeError::LogFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "log_full"),
            IntakeError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self { retry_after_s: Some(error.retry_after_s()), ..Self::new(status, code, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = ProblemJson {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            next_index: self.next_index,
        };
        let body = serde_json::to_vec(&json).expect("a problem is plain JSON, which always serialises");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringside\""));
        }
        response
    }
}
