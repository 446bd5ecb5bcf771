//! What somebody may not do goes to the audit log: who tried, from where, and what.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use ringside_http::{Peer, Problem};

use super::audit::AuditEntry;
use super::viewer::offered;
use crate::gateway::Gateway;

/// Around all that is answered: notes what was answered with 403.
pub(crate) async fn note_refusals(
    State(gateway): State<Gateway>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // Who it was is only looked at where it is needed; until then, what tells it is kept.
    let mut shown = HeaderMap::new();
    for name in [header::AUTHORIZATION, header::COOKIE] {
        for value in request.headers().get_all(&name) {
            shown.append(&name, value.clone());
        }
    }
    let response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>()
        && problem.status == StatusCode::FORBIDDEN
        // Whoever wanted to watch has noted that already.
        && problem.code != "forbidden_room"
    {
        let viewer = gateway.identify(offered(&shown, peer.secure)).await.ok();
        let who = viewer.as_ref().map_or("?", |viewer| viewer.user.as_str());
        let tenant = viewer.as_ref().map_or(&gateway.settings().tenant, |viewer| &viewer.tenant);
        let target = format!("{method} {}", uri.path());
        gateway.audit().note_refusal(tenant, AuditEntry::by(who, peer.address, "access", target).refused(problem.code));
    }
    response
}
