//! What a person reads in a browser where a script gets `application/problem+json`.
//!
//! Handlers answer with an [`Error`] and know nothing of this; the answer carries the error along, and on its way out
//! it is drawn as a page if it is a page that was asked for.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ringside_http::{Peer, Problem};

use super::document::Document;
use crate::error::Error;
use crate::extract::offered;
use crate::pages::context::PageContext;

/// Paths below these serve scripts, whatever a browser accepts.
const FOR_SCRIPTS: [&str; 12] = [
    "/admin",
    "/analytics",
    "/api",
    "/auth",
    "/events",
    "/healthz",
    "/ingest",
    "/metrics",
    "/poll",
    "/readyz",
    "/static",
    "/ws",
];
/// The pages among them.
const PAGES_AMONG: [&str; 2] = ["/admin", "/analytics/realtime"];

/// A page that says what is wrong, and where to go from there.
#[derive(Template, WebTemplate)]
#[template(path = "error.html")]
struct ErrorPage {
    document: Document,
    sentence: String,
    way: Way,
    status: u16,
    code: &'static str,
}

/// Where to go from there.
struct Way {
    href: &'static str,
    label: &'static str,
}

impl Way {
    const OVERVIEW: Self = Self { href: "/", label: "Go to the overview" };
    const CAMPAIGNS: Self = Self { href: "/campaigns", label: "All campaigns" };
    /// An empty address is the one that the browser is at.
    const AGAIN: Self = Self { href: "", label: "Try again" };
}

/// Draws errors of pages as pages.
pub(crate) async fn render_error_pages(
    State(context): State<PageContext>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    if !wants_page(request.uri().path(), request.headers()) {
        return next.run(request).await;
    }
    let asked: HeaderMap = request.headers().clone();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let mut page = (response.status(), ErrorPage::new(&problem, peer, &asked, &context)).into_response();
    if let Some(retry) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, retry.clone());
    }
    page
}

fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let below = |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    (PAGES_AMONG.contains(&path) || !FOR_SCRIPTS.iter().any(below)) && accepted.any(|value| value.contains("text/html"))
}

impl ErrorPage {
    fn new(problem: &Problem, peer: Peer, headers: &HeaderMap, context: &PageContext) -> Self {
        let Problem { status, code, detail, .. } = problem;
        let sentence = detail.clone();
        let (title, sentence, way) = match (*code, status.as_u16()) {
            ("no_such_campaign", _) => ("No such campaign", no_such_campaign(peer, headers, context), Way::CAMPAIGNS),
            (_, 404) => ("Nothing here", sentence, Way::OVERVIEW),
            (_, 403) => ("Not allowed", sentence, Way::OVERVIEW),
            ("unavailable", _) => ("No live data", sentence, Way::AGAIN),
            ("internal", _) => ("Something broke", format!("{sentence} Live numbers may still work."), Way::AGAIN),
            _ => (status.canonical_reason().unwrap_or("Error"), sentence, Way::OVERVIEW),
        };
        // It looks like the sign-in: one card, which needs no data and no script.
        let document = Document::new("login", title, headers, context);
        Self { document, sentence, way, status: status.as_u16(), code }
    }
}

/// The same whether it is not there or not for this viewer.
fn no_such_campaign(peer: Peer, headers: &HeaderMap, context: &PageContext) -> String {
    let viewer = offered(headers, peer.secure).and_then(|token| context.access.verify(token).ok());
    match viewer {
        Some(viewer) => format!("This campaign does not exist in {}, or you may not see it.", viewer.tenant),
        None => Error::NoSuchCampaign.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_are_for_browsers_and_problems_for_scripts() {
        let accept = |value: &'static str| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        let browser = accept("text/html,application/xhtml+xml,*/*;q=0.8");
        for path in ["/", "/campaigns/nobody", "/nowhere", "/analytics/realtime", "/admin", "/pollen"] {
            assert!(wants_page(path, &browser), "{path}");
            assert!(!wants_page(path, &accept("*/*")) && !wants_page(path, &HeaderMap::new()), "{path}");
        }
        for path in [
            "/admin/connections",
            "/analytics/metrics",
            "/analytics",
            "/api/stats",
            "/ws",
            "/poll",
            "/static/js/none.js",
        ] {
            assert!(!wants_page(path, &browser), "{path}");
        }
    }
}
