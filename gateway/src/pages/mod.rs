//! Pages: HTML that is complete before a script has run.
//!
//! A handler reads the rooms it needs as `initial` frames ([`frames`]), turns them into what the page says ([`kpi`],
//! [`row`], [`outcomes`]…), and embeds the same frames; `static/js/app.js` goes on from there. Templates hold no
//! arithmetic, and nothing here reads a clock but to say when the page was made.

mod admin;
mod alert;
mod assets;
mod browser;
mod campaign;
mod campaigns;
mod chip;
mod document;
mod error;
mod event;
mod facts;
mod frames;
mod health;
mod kpi;
mod lane;
mod login;
mod metric;
mod number;
mod outcomes;
mod overview;
mod packed;
mod row;
mod shell;
mod sparkline;

use axum::Router;
use axum::routing::get;

use crate::gateway::Gateway;

pub(crate) use assets::asset_routes;
pub(crate) use error::tell_browsers;

/// The pages.
pub(crate) fn page_routes() -> Router<Gateway> {
    Router::new()
        .route("/", get(overview::show_overview))
        .route("/analytics/realtime", get(overview::show_overview))
        .route("/campaigns", get(campaigns::list_campaigns))
        .route("/campaigns/{id}", get(campaign::show_campaign))
        .route("/admin", get(admin::show_admin))
        .route("/login", get(login::show_login))
}
