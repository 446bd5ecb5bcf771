//! The query of a request, and a sentence for who sends one that can't be read.

use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A query that a handler takes.
pub(crate) trait QueryParams: DeserializeOwned {
    /// What may be in it, as a sentence.
    const ALLOWED: &'static str;
}

/// A query, read. What can't be read is a problem like any other, told by what is allowed.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: QueryParams> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let read = AxumQuery::try_from_uri(&parts.uri).map_err(|_| Error::BadRequest(T::ALLOWED.to_owned()))?;
        Ok(Self(read.0))
    }
}
