#![doc = include_str!("../README.md")]

mod cors;
mod health;
mod metrics;
mod origin;
mod origins;
mod peer;
mod problem;
mod proxies;
mod serve;
mod settings;
mod tls;

pub use cors::{open_to, wrong_method};
pub use health::{HEALTH_ROUTES, Health, Readiness, RenderMetrics, alive, ready};
pub use metrics::{SECONDS, recorder};
pub use origin::{check_socket, guard, is_from_elsewhere};
pub use origins::{BadOrigin, Origins};
pub use peer::Peer;
pub use problem::Problem;
pub use proxies::{BadNetwork, TrustedProxies};
pub use serve::{ServeSettings, serve, serve_with};
pub use settings::HttpSettings;
pub use tls::{Tls, TlsError};
