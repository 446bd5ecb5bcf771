//! What every document has: a title, a theme, and where its files are.

use std::sync::atomic::Ordering;

use axum::http::HeaderMap;

use super::assets;
use crate::pages::context::PageContext;
use crate::sign_in::cookies;

/// The cookie that keeps the theme. Scripts write it; it is nobody's secret.
const THEME_COOKIE: &str = "ringside_theme";

/// Which set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// The default.
    Dark,
    /// Light.
    Light,
    /// What the system says.
    Auto,
}

impl Theme {
    /// The theme that a request's cookie asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match cookies(headers).find(|(name, _)| *name == THEME_COOKIE).map(|(_, value)| value) {
            Some("light") => Self::Light,
            Some("auto") => Self::Auto,
            _ => Self::Dark,
        }
    }

    /// The value of `data-theme`; none for auto.
    pub(super) fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Dark => Some("dark"),
            Self::Light => Some("light"),
            Self::Auto => None,
        }
    }

    /// What the browser's own controls take.
    pub(super) fn color_scheme(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Auto => "dark light",
        }
    }

    /// The icon of the button that changes it.
    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Dark => "moon",
            Self::Light => "sun",
            Self::Auto => "auto",
        }
    }

    /// What that button says.
    pub(super) fn button_label(self) -> &'static str {
        match self {
            Self::Dark => "Theme: dark",
            Self::Light => "Theme: light",
            Self::Auto => "Theme: as the system",
        }
    }
}

/// The head of a page.
#[derive(Debug)]
pub(super) struct Document {
    /// Its title.
    pub title: String,
    /// Which page, for styles and scripts.
    pub page: &'static str,
    /// Its colours.
    pub theme: Theme,
    /// True where a simulator makes the data.
    pub demo: bool,
    /// Where the files are, with their hash.
    pub assets: &'static str,
}

impl Document {
    /// A page's head.
    pub(super) fn new(
        page: &'static str,
        title: impl Into<String>,
        headers: &HeaderMap,
        context: &PageContext,
    ) -> Self {
        Self {
            title: title.into(),
            page,
            theme: Theme::of(headers),
            demo: context.demo.load(Ordering::Relaxed),
            assets: assets::base(),
        }
    }

    /// Style sheets, in the order that they count.
    pub(super) fn sheets(&self) -> &'static [&'static str] {
        match self.page {
            "login" => &["css/tokens.css", "css/auto.css", "css/base.css", "css/controls.css", "css/login.css"],
            "admin" => &[super::assets::ALL_SHEETS, "css/admin.css"],
            _ => &[super::assets::ALL_SHEETS],
        }
    }

    /// Modules that the page's script will import, so that the browser fetches all of them at once.
    pub(super) fn modules(&self) -> &'static [String] {
        if self.page == "login" { &[] } else { assets::modules() }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn the_theme_comes_from_the_cookie_and_is_dark_without() {
        let of = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookie.parse().unwrap());
            Theme::of(&headers)
        };
        assert_eq!(of("a=b; ringside_theme=light"), Theme::Light);
        assert_eq!(of("ringside_theme=auto"), Theme::Auto);
        assert_eq!(of("ringside_theme=pink"), Theme::Dark);
        assert_eq!(Theme::of(&HeaderMap::new()), Theme::Dark);
    }
}
