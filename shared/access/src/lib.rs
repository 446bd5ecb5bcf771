#![doc = include_str!("../README.md")]

mod access;
mod account;
mod accounts;
mod api_token;
mod audit;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod issuer;
mod keys;
mod login_rate;
mod membership;
mod network;
mod password;
mod phone_mask;
mod random;
mod refresh;
mod revocations;
mod role;
mod scope;
mod session;
mod sign_in;
mod signing_keys;
mod sso;
mod sweep;
mod throttle;
mod timeout;
mod token;
mod viewer;

pub use access::{Access, AccessSettings, AccessStartError};
pub use account::{Account, AccountError};
pub use accounts::{Accounts, EnsuredAdmin};
pub use api_token::{ApiToken, ApiTokenError, ApiTokenRequest, ApiTokens, is_api_token};
pub use audit::{Audit, AuditEntry, AuditLine};
pub use error::AccessError;
pub use identity::Identity;
pub use issuer::{
    BadIssuer, ClaimMapping, ClientSecret, IssuerSettings, Issuers, KeySource, SignatureAlgorithm, SsoSettings,
    TenantMapping, TokenRejected, VerifyingKey, check_issuers, try_issuer,
};
pub use keys::{ApiKey, BadSecret, IssuedKey, KeyError, Keys, Secret};
pub use membership::Membership;
pub use password::GeneratedPassword;
pub use phone_mask::PhoneMask;
pub use revocations::Revocations;
pub use role::{Permission, Role};
pub use scope::{BadCampaign, BadPage, CampaignsJson, Page, Scope};
pub use session::{Session, Sessions, short};
pub use sign_in::{Proof, SignInClient, SignedIn};
pub use signing_keys::SigningKeys;
pub use sso::{SsoCallback, SsoError, SsoFailure, SsoRequest};
pub use token::Tokens;
pub use viewer::Viewer;
