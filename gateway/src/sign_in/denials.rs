//! Denied requests go to the audit log: who tried, from where, and what.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use ringside_access::{Access, AuditEntry};
use ringside_http::{Peer, Problem};

use crate::extract::offered;

/// Records every response with 403, around all routes.
pub(crate) async fn audit_denials(State(access): State<Access>, peer: Peer, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // The user is only looked up for a denial; until then, the headers that name them are kept.
    let mut credentials = HeaderMap::new();
    for name in [header::AUTHORIZATION, header::COOKIE] {
        for value in request.headers().get_all(&name) {
            credentials.append(&name, value.clone());
        }
    }
    let response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>()
        && problem.status == StatusCode::FORBIDDEN
        // The handler of a subscription has recorded it already.
        && problem.code != "forbidden_room"
    {
        let viewer = access.identify(offered(&credentials, peer.secure)).await.ok();
        let user = viewer.as_ref().map_or("?", |viewer| viewer.user.as_str());
        let tenant = viewer.as_ref().map_or(&access.settings().tenant, |viewer| &viewer.tenant);
        let target = format!("{method} {}", uri.path());
        let entry = AuditEntry::by(user, peer.address, "access", target).denied(problem.code);
        access.audit().record_denial(tenant, entry);
    }
    response
}
