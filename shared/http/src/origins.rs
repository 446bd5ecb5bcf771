//! Lists of origins, as an operator writes them.

use axum::http::Uri;

/// A list of origins, each as browsers write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// Why a text names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// Everybody is nobody in particular.
    #[error(
        "\"*\" would let every site on the internet use the logins of your people; name each origin, such as https://ops.example.com"
    )]
    Everybody,
    /// It is no origin.
    #[error(
        "\"{0}\" is no origin; write scheme, host and, where there is one, port, as a browser does: https://ops.example.com or \
         http://10.0.0.7:8080"
    )]
    NoOrigin(String),
}

impl Origins {
    /// Reads a list.
    pub fn parse(list: &[String]) -> Result<Self, BadOrigin> {
        list.iter().map(|text| read(text.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True where it names nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| listed == origin)
    }
}

/// An origin as a browser writes it: in small letters, without the port that its scheme has anyway.
fn read(text: &str) -> Result<String, BadOrigin> {
    if text.contains('*') {
        return Err(BadOrigin::Everybody);
    }
    let bad = || BadOrigin::NoOrigin(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| bad())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
    let usual_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(bad()),
    };
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port_u16();
    // Neither a user nor a port that is none is in what was read of it.
    let whole = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
    if host.is_empty() || !bare || !authority.as_str().eq_ignore_ascii_case(&whole) {
        return Err(bad());
    }
    let host = if port == Some(usual_port) { host } else { whole };
    Ok(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_or_refused_with_an_example() {
        for text in [
            "ops.example",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "ftp://a",
            "null",
            "",
            "https://a b",
            "https://a:x",
        ] {
            let error = Origins::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("https://ops.example.com"), "{text}: {error}");
        }
        for text in ["*", "https://*.example"] {
            assert_eq!(Origins::parse(&[text.to_owned()]), Err(BadOrigin::Everybody));
        }
    }
}
