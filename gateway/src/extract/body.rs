//! The body of a request, and a problem for who sends one that can't be taken.

use axum::Extension;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;

use crate::error::Error;

/// What axum takes where no route says anything.
const UNSAID: MostBytes = MostBytes(2 << 20);

/// The longest body that a route takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MostBytes(usize);

/// The layer of routes that take bodies of at most so many bytes.
pub(crate) fn body_limit(most_bytes: usize) -> (DefaultBodyLimit, Extension<MostBytes>) {
    (DefaultBodyLimit::max(most_bytes), Extension(MostBytes(most_bytes)))
}

/// A body, whole. One that is too long, or ends too early, is a problem like any other.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let MostBytes(most_bytes) = request.extensions().get().copied().unwrap_or(UNSAID);
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge { most_bytes },
            _ => Error::BadRequest("The body ended before it was whole. Send it again.".to_owned()),
        })
    }
}
