//! Extractors of request parts that reject with a problem of ours.

mod body;
mod path;
mod query;
mod viewer;

pub(crate) use body::{Body, body_limit};
pub(crate) use path::Path;
pub(crate) use query::{Query, QueryParams};
pub(crate) use viewer::{AnyViewer, PageViewer, User, bearer, offered, require};
