//! `GET /login`: one card, one error line.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;

use super::document::Document;
use crate::api::{Asked, Query};
use crate::gateway::Gateway;

/// The sign-in page.
#[derive(Template, WebTemplate)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    document: Document,
    next: String,
    expired: bool,
}

/// Where to after, and why here.
#[derive(Debug, Deserialize)]
pub(super) struct LoginQuery {
    next: Option<String>,
    #[serde(default)]
    expired: Option<String>,
}

impl Asked for LoginQuery {
    const ALLOWED: &'static str = "next is a path to go on to. Give it at most once, such as next=/alerts.";
}

/// `GET /login`.
pub(super) async fn show_login(
    State(gateway): State<Gateway>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> LoginPage {
    LoginPage {
        document: Document::new("login", "Sign in", &headers, &gateway),
        next: local_path(query.next.as_deref()).to_owned(),
        expired: query.expired.is_some(),
    }
}

/// Only paths of this house: a link to the sign-in must not lead elsewhere after it.
fn local_path(next: Option<&str>) -> &str {
    match next {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains('\\')
                && !path.contains(char::is_control)
                && !path.starts_with("/login") =>
        {
            path
        }
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_in_the_house() {
        assert_eq!(local_path(Some("/campaigns/alpha?range=1m")), "/campaigns/alpha?range=1m");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "/login?next=/", "x", "/\t/evil"]
        {
            assert_eq!(local_path(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(local_path(None), "/");
    }
}
