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
mod context;
mod document;
mod error;
mod event;
mod facts;
mod format;
mod frames;
mod health;
mod kpi;
mod lane;
mod login;
mod metric;
mod outcomes;
mod overview;
mod packed;
mod row;
mod sample;
mod shell;
mod sparkline;

pub(crate) use admin::show_admin;
pub(crate) use assets::{precompress, send_asset, send_favicon};
pub(crate) use campaign::show_campaign;
pub(crate) use campaigns::list_campaigns;
pub(crate) use context::PageContext;
pub(crate) use error::render_error_pages;
pub(crate) use login::show_login;
pub(crate) use overview::show_overview;
