//! The viewer behind a request, as an argument of a handler.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use ringside_access::{Access, Permission, Viewer};
use ringside_http::{HttpSettings, Peer};

use crate::error::Error;
use crate::sign_in::{Cookie, resume_address};

/// Rejects a viewer whose role lacks a permission.
pub(crate) fn require(viewer: &Viewer, permission: Permission) -> Result<(), Error> {
    if viewer.role.may(permission) {
        return Ok(());
    }
    Err(match permission {
        Permission::Read => Error::OnlyOnePage,
        Permission::RunLoad => Error::NotOperator,
        Permission::Audit => Error::NotReviewer,
        Permission::Administer => Error::NotAdmin,
    })
}

/// A user or a wallboard: for what is limited to a wallboard's page anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnyViewer(pub(crate) Arc<Viewer>);

impl<S: Send + Sync> FromRequestParts<S> for AnyViewer
where
    Access: FromRef<S>,
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Ok(peer) = Peer::from_request_parts(parts, state).await;
        let access = Access::from_ref(state);
        Ok(access.identify(offered(&parts.headers, peer.secure)).await.map(Self)?)
    }
}

/// A signed-in user: 401 without a valid token, 403 for a wallboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User(pub(crate) Viewer);

impl<S: Send + Sync> FromRequestParts<S> for User
where
    Access: FromRef<S>,
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let AnyViewer(viewer) = AnyViewer::from_request_parts(parts, state).await?;
        require(&viewer, Permission::Read)?;
        Ok(Self(Arc::unwrap_or_clone(viewer)))
    }
}

/// The viewer of a page. Without a valid token it redirects to the sign-in, by way of a session that may be renewed; a
/// wallboard is redirected to its own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageViewer(pub(crate) Viewer);

impl<S: Send + Sync> FromRequestParts<S> for PageViewer
where
    Access: FromRef<S>,
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match AnyViewer::from_request_parts(parts, state).await {
            Ok(AnyViewer(viewer)) => match &viewer.page {
                Some(page) if page.path() != parts.uri.path() => Err(Redirect::to(&page.path()).into_response()),
                _ => Ok(Self(Arc::unwrap_or_clone(viewer))),
            },
            Err(Error::Unauthorized) => Err(Redirect::to(&resume_address(&parts.uri)).into_response()),
            Err(error) => Err(error.into_response()),
        }
    }
}

/// The token that a request brings.
pub(crate) fn offered(headers: &HeaderMap, secure: bool) -> Option<&str> {
    bearer(headers).or_else(|| Cookie::Access.find(headers, secure))
}

/// The token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
