//! Who gets in, who may do and see what, and what is recorded of it.

mod admin;
mod api_tokens;
mod issuers;
mod oidc;
mod password_guessing;
pub(crate) mod permissions;
mod rights;
mod sessions;
