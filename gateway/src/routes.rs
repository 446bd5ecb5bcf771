//! Every URL on one screen.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::auth;
use crate::gateway::Gateway;

impl Gateway {
    /// Everything that this gateway answers.
    pub fn router(&self) -> Router {
        let login = Router::new()
            .route("/auth/login", post(auth::log_in))
            .route("/auth/logout", post(auth::log_out))
            .route("/auth/me", get(auth::show_me))
            .layer(DefaultBodyLimit::max(8 * 1024));
        login.with_state(self.clone())
    }
}
