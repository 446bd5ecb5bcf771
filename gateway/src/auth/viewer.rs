//! Who asks, and what of it they may see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use ringside_http::Peer;
use ringside_model::{TenantId, Timestamp};

use super::cookie::Cookie;
use super::role::{Power, Role};
use super::scope::{Page, Scope};
use super::way_back::resume_address;
use crate::error::Error;
use crate::gateway::Gateway;

/// Who asks: what a verified token says.
///
/// As an argument of a handler it answers 401 where nobody is logged in, and 403 to a wallboard: see [`AnyViewer`] for
/// what a wallboard may have too, and [`PageViewer`] for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Their name.
    pub user: String,
    /// Whose data they see.
    pub tenant: TenantId,
    /// What they may do.
    pub role: Role,
    /// Which campaigns they see.
    pub scope: Scope,
    /// The one page they see, of a wallboard.
    pub page: Option<Page>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The login it belongs to.
    pub session_id: String,
    pub(crate) issued_at: Timestamp,
}

impl Viewer {
    /// An error where the role does not have that power.
    pub(crate) fn require(&self, power: Power) -> Result<(), Error> {
        if self.role.may(power) {
            return Ok(());
        }
        Err(match power {
            Power::Ask => Error::OnlyOnePage,
            Power::Operate => Error::NotOperator,
            Power::Review => Error::NotReviewer,
            Power::Administer => Error::NotAdmin,
        })
    }
}

impl FromRequestParts<Gateway> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        let AnyViewer(viewer) = AnyViewer::from_request_parts(parts, gateway).await?;
        viewer.require(Power::Ask)?;
        Ok(Arc::unwrap_or_clone(viewer))
    }
}

/// A viewer, or a wallboard: for what is cut to a wallboard's page anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnyViewer(pub(crate) Arc<Viewer>);

impl FromRequestParts<Gateway> for AnyViewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        let peer = Peer::of(gateway.http(), &parts.extensions, &parts.headers);
        gateway.identify(offered(&parts.headers, peer.secure)).await.map(Self)
    }
}

/// The token that a request brings.
pub(crate) fn offered(headers: &HeaderMap, secure: bool) -> Option<&str> {
    bearer(headers).or_else(|| Cookie::Access.find(headers, secure))
}

/// The viewer of a page: who is not logged in is sent to `/login`, by way of a login that may go on, and comes back after.
/// A wallboard is sent to its own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageViewer(pub Viewer);

impl FromRequestParts<Gateway> for PageViewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Response> {
        match AnyViewer::from_request_parts(parts, gateway).await {
            Ok(AnyViewer(viewer)) => match &viewer.page {
                Some(page) if page.path() != parts.uri.path() => Err(Redirect::to(&page.path()).into_response()),
                _ => Ok(Self(Arc::unwrap_or_clone(viewer))),
            },
            Err(Error::Unauthorized) => Err(Redirect::to(&resume_address(&parts.uri)).into_response()),
            Err(error) => Err(error.into_response()),
        }
    }
}

/// The token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
