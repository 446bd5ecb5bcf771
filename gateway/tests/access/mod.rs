//! Who gets in, who may do and see what, and what is recorded of it.

mod admin;
mod api_tokens;
mod authentication;
mod issuers;
mod password_guessing;
pub(crate) mod permissions;
mod sessions;
mod sso;
