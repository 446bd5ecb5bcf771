//! Addresses that lead to the login and back to where somebody wanted to go.

use axum::http::Uri;
use serde::Deserialize;

use crate::error::Error;
use crate::extract::QueryParams;

/// Where to after.
#[derive(Deserialize)]
pub(crate) struct NextQuery {
    next: Option<String>,
}

impl NextQuery {
    /// A path of ours.
    pub(super) fn path(&self) -> String {
        local_path(self.next.as_deref())
    }
}

impl QueryParams for NextQuery {
    const ALLOWED: &'static str = "next is a path to go on to. Give it at most once, such as next=/campaigns.";
}

/// Where a page sends a browser that has no access token, or one that is over.
pub(crate) fn resume_address(uri: &Uri) -> String {
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("/auth/resume?next={}", escape_query(next))
}

/// The login, which says what went wrong.
pub(super) fn login_error_address(error: &Error, next: &str) -> String {
    let reason = match error {
        Error::WrongPassword { tries_left } => format!("wrong&left={tries_left}"),
        Error::Locked { wait_secs } | Error::TooManySignIns { wait_secs } => {
            format!("locked&minutes={}", wait_secs.div_ceil(60))
        }
        Error::BadRequest(_) => "incomplete".to_owned(),
        _ => "unavailable".to_owned(),
    };
    format!("/login?error={reason}&next={}", escape_query(next))
}

/// A path of ours to go on to; anything else becomes the first page.
pub(crate) fn local_path(next: Option<&str>) -> String {
    // "//host" and "/\host" leave the site; control characters end headers.
    let local = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\')
    };
    next.filter(local).unwrap_or("/").to_owned()
}

/// A text as the value of a query parameter.
pub(crate) fn escape_query(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_the_site() {
        for (next, path) in [
            (None, "/"),
            (Some("/campaigns/a?x=1"), "/campaigns/a?x=1"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(local_path(next), path, "{next:?}");
        }
    }

    #[test]
    fn the_way_back_from_the_login_keeps_its_query() {
        let uri: Uri = "/campaigns/a?tab=calls&x=1".parse().unwrap();
        assert_eq!(resume_address(&uri), "/auth/resume?next=/campaigns/a%3Ftab%3Dcalls%26x%3D1");
    }
}
