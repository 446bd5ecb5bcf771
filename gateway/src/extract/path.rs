//! The part of an address that names something, and a problem for who names it so that it can't be read.

use axum::extract::{FromRequestParts, Path as AxumPath};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A name in an address, read. What can't be read is a problem like any other.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let unread = "This address can't be read. Write what it names in UTF-8, percent-encoded.";
        let read = AxumPath::from_request_parts(parts, state).await;
        read.map(|AxumPath(name)| Self(name)).map_err(|_| Error::BadRequest(unread.to_owned()))
    }
}
