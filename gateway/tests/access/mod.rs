//! Authentication, permissions, administration, and their audit log.

mod admin;
mod api_tokens;
mod authentication;
mod issuers;
mod password_guessing;
pub(crate) mod permissions;
mod sessions;
mod sso;
