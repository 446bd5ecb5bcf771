//! Signing in, going on and signing out over HTTP: requests, cookies, redirects. What they mean is in `ringside_access`.

mod cookie;
mod denials;
mod handlers;
mod response;
mod return_to;
mod sso;

pub(crate) use cookie::{Cookie, cookies};
pub(crate) use denials::audit_denials;
pub(crate) use handlers::{refresh, resume_session, show_key_set, show_me, sign_in, sign_out, switch_tenant};
pub(crate) use return_to::{escape_query, local_path, resume_address};
pub(crate) use sso::{sso_callback, start_sso};
