//! Who asks, and what of it they may see.

use std::collections::BTreeSet;
use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use ringside_shared::engine::Room;
use ringside_shared::model::{CampaignId, TenantId, Timestamp};

use crate::caller::Caller;
use crate::error::Error;
use crate::gateway::Gateway;

/// What a viewer may do, beside looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks, and reads what was changed by whom.
    Auditor,
    /// Acknowledges alerts.
    Operator,
    /// Runs campaigns.
    Supervisor,
    /// Everything.
    Admin,
}

impl Role {
    /// Reads a role.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Auditor, Self::Operator, Self::Supervisor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// True where it may do something, and not only look.
    pub(crate) fn operates(self) -> bool {
        self >= Self::Operator
    }
}

/// Which campaigns of the tenant somebody may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All there are and will be.
    All,
    /// These.
    Only(BTreeSet<CampaignId>),
}

impl Scope {
    /// True where the campaign is in it.
    pub fn has(&self, campaign: &CampaignId) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(campaign),
        }
    }

    /// True where a campaign of that id is in it, whatever the text.
    pub(crate) fn has_id(&self, campaign: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(campaign),
        }
    }

    /// True where the room is in it. Rooms of the whole tenant are; what is in them is cut where it has to be. Rooms of load
    /// runs depend on the role: see [`Gateway::may_watch`].
    pub(crate) fn allows(&self, room: &Room) -> bool {
        match room {
            Room::Directory | Room::Bench(_) => false,
            Room::Campaign(id) | Room::Calls(id) => self.has(id),
            Room::Overview | Room::Metrics | Room::System | Room::Alerts | Room::Notifications => true,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Only(ids) => f.write_str(&ids.iter().map(CampaignId::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Who asks: what a verified token says.
///
/// As an argument of a handler it answers 401 where nobody is logged in; see [`PageViewer`] for pages.
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
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The login it belongs to.
    pub session_id: String,
    pub(crate) issued_at: Timestamp,
}

impl FromRequestParts<Gateway> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        let secure = || Caller::of(gateway, &parts.extensions, &parts.headers).secure;
        let token = bearer(&parts.headers).or_else(|| cookie(&parts.headers, secure())).ok_or(Error::Unauthorized)?;
        Ok(gateway.verify(token)?.as_ref().clone())
    }
}

/// The viewer of a page: who is not logged in is sent to `/login` and comes back after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageViewer(pub Viewer);

impl FromRequestParts<Gateway> for PageViewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Response> {
        Viewer::from_request_parts(parts, gateway)
            .await
            .map(Self)
            .map_err(|_| Redirect::to(&login_address(&parts.uri)).into_response())
    }
}

fn login_address(uri: &Uri) -> String {
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("/login?next={}", escape_query(next))
}

/// A text as the value of a query parameter.
pub(super) fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// What the login's cookie is called. `__Host-` binds it to this host, which needs TLS.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-ringside" } else { "ringside" }
}

/// The token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token of the login's cookie.
pub(crate) fn cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let name = cookie_name(secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_its_campaigns_and_never_the_directory() {
        let id = |text| CampaignId::parse(text).unwrap();
        let scope = Scope::Only([id("alpha")].into());
        assert!(scope.allows(&Room::Calls(id("alpha"))) && scope.allows(&Room::Overview));
        assert!(!scope.allows(&Room::Campaign(id("beta"))) && !scope.allows(&Room::Directory));
        assert!(Scope::All.allows(&Room::Campaign(id("beta"))) && !Scope::All.allows(&Room::Directory));
        assert_eq!(Scope::All.to_string(), "*");
    }

    #[test]
    fn the_way_back_from_the_login_keeps_its_query() {
        let uri: Uri = "/campaigns/a?tab=calls&x=1".parse().unwrap();
        assert_eq!(login_address(&uri), "/login?next=/campaigns/a%3Ftab%3Dcalls%26x%3D1");
    }
}
