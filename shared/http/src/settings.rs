//! What an operator sets about HTTP.

use crate::origins::Origins;
use crate::proxies::TrustedProxies;

/// What the port believes about its clients, and which other origins it serves.
///
/// Routers keep it in their state as `Arc<HttpSettings>`; extractors and middleware take it from there.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Origins whose pages may use the gateway with a session; empty means the host that the request itself names.
    pub allowed_origins: Origins,
    /// Origins whose pages may also request `cors_paths` with `fetch`.
    pub cors_origins: Origins,
    /// What the paths begin with that `cors_origins` may request.
    pub cors_paths: &'static [&'static str],
    /// True if TLS ends before this process: cookies are `Secure` and `__Host-`, as they are if TLS ends here.
    pub secure_cookies: bool,
    /// Load balancers whose headers on a client's address, and on TLS, are believed.
    pub trusted_proxies: TrustedProxies,
}

impl HttpSettings {
    /// True for paths that `cors_origins` may request.
    pub(crate) fn cors_covers(&self, path: &str) -> bool {
        self.cors_paths.iter().any(|prefix| path.starts_with(prefix))
    }
}
