//! The cookies of a login. All are `HttpOnly`: no script ever reads them.

use axum::http::{HeaderMap, HeaderValue, header};

/// One of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The access token, for everything.
    Access,
    /// The refresh token, for `/auth/…` only.
    Refresh,
    /// That its owner logged in from this device before, for the login only.
    Device,
}

impl Cookie {
    /// What it is called. The prefixes bind it to this host and to TLS, which plain HTTP can't have.
    pub(crate) fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Access, true) => "__Host-ringside",
            (Self::Access, false) => "ringside",
            // `__Host-` would need the path to be "/".
            (Self::Refresh, true) => "__Secure-ringside_refresh",
            (Self::Refresh, false) => "ringside_refresh",
            (Self::Device, true) => "__Secure-ringside_device",
            (Self::Device, false) => "ringside_device",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Access => "/",
            Self::Refresh => "/auth",
            Self::Device => "/auth/login",
        }
    }

    /// `Lax`, so that a link from elsewhere finds its reader logged in; what changes anything is checked by its origin
    /// besides.
    fn same_site(self) -> &'static str {
        match self {
            Self::Access | Self::Refresh => "Lax",
            Self::Device => "Strict",
        }
    }

    /// Its value in a request. Two of the name are none: one of them was put there by a neighbour of our domain, and nothing
    /// tells which.
    pub(crate) fn find(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let mut values = cookies(headers).filter(|(name, _)| *name == self.name(secure)).map(|(_, value)| value);
        let value = values.next()?;
        values.all(|other| other == value).then_some(value)
    }

    /// The header that sets it; for no seconds takes it away.
    pub(super) fn set(self, secure: bool, value: &str, max_age_secs: i64) -> HeaderValue {
        let (name, path, same_site) = (self.name(secure), self.path(), self.same_site());
        let flag = if secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path={path}; HttpOnly; SameSite={same_site}; Max-Age={max_age_secs}{flag}");
        HeaderValue::try_from(text).expect("a token is base64, dots and underscores")
    }
}

/// All of a request.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_under_its_own_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "theme=dark; ringside=abc".parse().unwrap());
        headers.append(header::COOKIE, "__Host-ringside=def; ringside_refresh=ghi".parse().unwrap());
        assert_eq!(Cookie::Access.find(&headers, false), Some("abc"));
        assert_eq!(Cookie::Access.find(&headers, true), Some("def"));
        assert_eq!(Cookie::Refresh.find(&headers, false), Some("ghi"));
        assert_eq!(Cookie::Refresh.find(&headers, true), None);
        headers.append(header::COOKIE, "ringside_refresh=planted".parse().unwrap());
        assert_eq!(Cookie::Refresh.find(&headers, false), None, "nobody can tell which of two is ours");
        let set = Cookie::Access.set(true, "x", 60);
        assert_eq!(set, "__Host-ringside=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    }
}
