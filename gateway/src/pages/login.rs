//! `GET /login`: one card, one error line. It works without JavaScript: then the form is sent as a form, and what went wrong
//! comes back in the address.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;

use super::document::Document;
use crate::extract::{Query, QueryParams};
use crate::pages::context::PageContext;
use crate::sign_in::{escape_query, local_path};

/// The sign-in page.
#[derive(Template, WebTemplate)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    document: Document,
    next: String,
    expired: bool,
    /// What went wrong, where the address says so.
    told: Option<String>,
    /// Where else to sign in.
    sign_ons: Vec<SignOnLink>,
}

/// A button that leads to somebody's single sign-on.
struct SignOnLink {
    name: String,
    path: String,
}

/// Where to after, and why here.
#[derive(Debug, Deserialize)]
pub(crate) struct LoginQuery {
    next: Option<String>,
    #[serde(default)]
    expired: Option<String>,
    #[serde(default)]
    error: Option<String>,
    /// With `error=wrong`: tries that are left.
    #[serde(default)]
    left: Option<u32>,
    /// With `error=locked`: for how long.
    #[serde(default)]
    minutes: Option<u32>,
}

impl QueryParams for LoginQuery {
    const ALLOWED: &'static str = "next is a path to go on to, error says what went wrong. Give each at most once.";
}

/// `GET /login`.
pub(crate) async fn show_login(
    State(context): State<PageContext>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> LoginPage {
    let next = after_sign_in(query.next.as_deref());
    let after = escape_query(&next);
    let link =
        |(name, id): (&str, &str)| SignOnLink { name: name.to_owned(), path: format!("/auth/sso/{id}?next={after}") };
    LoginPage {
        told: query.error.as_deref().map(|error| sentence(error, query.left, query.minutes)),
        sign_ons: context.access.issuers().providers().map(link).collect(),
        document: Document::new("login", "Sign in", &headers, &context),
        next,
        expired: query.expired.is_some(),
    }
}

/// What went wrong, for people. Anybody can write an address: nothing of it is repeated but numbers.
fn sentence(error: &str, left: Option<u32>, minutes: Option<u32>) -> String {
    let text = match (error, left, minutes) {
        ("wrong", Some(1), _) => "Name or password is wrong. 1 try left.",
        ("wrong", Some(left), _) => return format!("Name or password is wrong. {left} tries left."),
        ("wrong", None, _) => "Name or password is wrong.",
        ("locked", _, Some(minutes)) if minutes > 1 => return format!("Too many tries. Wait {minutes} minutes."),
        ("locked", ..) => "Too many tries. Wait a minute.",
        ("incomplete", ..) => "Fill in name and password.",
        ("sso_cancelled", ..) => "You did not finish signing in. Nothing has changed.",
        ("sso_stale", ..) => "That sign-in is over, or was begun in another browser. Start it again here.",
        ("sso_provider", ..) => "Your organisation's sign-in does not work right now. Try again in a minute.",
        ("sso_no_access", ..) => "You are signed in there, but have no access here. Ask an admin for a role.",
        ("not_ended", ..) => {
            "You are signed out here, but the login itself could not be ended now. It ends by itself; an admin can end it at once."
        }
        ("unavailable", ..) => "Ringside can't sign anybody in right now. Try again in a few seconds.",
        _ => "Signing in did not work. Try again.",
    };
    text.to_owned()
}

/// Only paths of this house, and not the sign-in again.
fn after_sign_in(next: Option<&str>) -> String {
    local_path(next.filter(|path| !path.starts_with("/login")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_and_nothing_of_the_address_repeated() {
        assert_eq!(sentence("wrong", Some(3), None), "Name or password is wrong. 3 tries left.");
        assert_eq!(sentence("locked", None, Some(15)), "Too many tries. Wait 15 minutes.");
        for error in ["", "<b>call +1 555", "sso_cancelled", "sso_stale", "sso_provider", "sso_no_access", "not_ended"]
        {
            let told = sentence(error, None, None);
            assert!(told.ends_with('.') && !told.contains("555") && !told.contains('<'), "{told}");
        }
    }

    #[test]
    fn the_way_back_stays_in_the_house() {
        assert_eq!(after_sign_in(Some("/campaigns/alpha?range=1m")), "/campaigns/alpha?range=1m");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "/login?next=/", "x", "/\t/evil"]
        {
            assert_eq!(after_sign_in(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(after_sign_in(None), "/");
    }
}
