//! From room to browser: who may see what, and how it gets there.
//!
//! [`Gateway`] owns everything: [`auth`] says who is there, the hub holds the rooms that somebody here watches, delivery
//! hands their frames to sockets, streams and polls, the API and the pages answer single questions from the same rooms.
//! `routes.rs` lists every URL.

mod api;
mod auth;
mod bench;
mod data_age;
mod delivery;
mod error;
mod extract;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod hub;
mod memory;
mod observe;
mod pages;
mod protect;
mod routes;
mod settings;

pub use auth::{
    Account, AccountError, Accounts, Audit, AuditEntry, AuditLine, BadCampaign, BadIssuer, BadPage, ClaimMapping,
    ClientSecret, EnsuredAdmin, GeneratedPassword, Identity, IssuerSettings, KeySource, Membership, Page, PageViewer,
    Pass, PassError, PassRequest, Passes, Role, Scope, Session, Sessions, SignOn, SignatureAlgorithm, SigningKeys,
    TenantMapping, VerifyingKey, Viewer, check_issuers, try_issuer,
};
pub use error::Error;
pub use gateway::{Gateway, GatewayError};
pub use hub::{Initial, Refusal};
pub use memory::MemoryReading;
pub use routes::ROUTES;
pub use settings::GatewaySettings;
