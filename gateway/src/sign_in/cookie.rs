//! The cookies of a login. All are `HttpOnly`: no script ever reads them.

use axum::http::{HeaderMap, HeaderValue, header};

/// One of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The access token, for everything.
    Access,
    /// The refresh token, for `/auth/…`.
    Refresh,
    /// That its owner logged in from this device before, for the login only.
    Device,
    /// A sign-in that is under way at a provider.
    Sso,
}

impl Cookie {
    /// What it is called. The prefixes bind it to TLS, and `__Host-` to this very host: nobody of a neighbouring one can put
    /// another one in its place, and so make somebody else of whoever logs in. Plain HTTP can't have them.
    pub(crate) fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Access, true) => "__Host-ringside",
            (Self::Access, false) => "ringside",
            (Self::Refresh, true) => "__Host-ringside_refresh",
            (Self::Refresh, false) => "ringside_refresh",
            // It lets nobody in, so its path counts for more.
            (Self::Device, true) => "__Secure-ringside_device",
            (Self::Device, false) => "ringside_device",
            (Self::Sso, true) => "__Host-ringside_sso",
            (Self::Sso, false) => "ringside_sso",
        }
    }

    /// Where it is sent; `__Host-` is for everywhere.
    fn path(self, secure: bool) -> &'static str {
        match self {
            Self::Access => "/",
            Self::Device => "/auth/login",
            Self::Refresh | Self::Sso if secure => "/",
            Self::Refresh => "/auth",
            Self::Sso => "/auth/sso",
        }
    }

    /// `Lax`, so that a link from elsewhere finds its reader logged in, and the provider's site leads back to a sign-in; what
    /// changes anything is checked by its origin besides.
    fn same_site(self) -> &'static str {
        match self {
            Self::Access | Self::Refresh | Self::Sso => "Lax",
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
        let (name, path, same_site) = (self.name(secure), self.path(secure), self.same_site());
        let flag = if secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path={path}; HttpOnly; SameSite={same_site}; Max-Age={max_age_secs}{flag}");
        HeaderValue::try_from(text).expect("a token is base64, dots and underscores")
    }
}

/// All of a request.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
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
        let set = Cookie::Sso.set(true, "x", 600);
        assert_eq!(set, "__Host-ringside_sso=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure");
    }
}
