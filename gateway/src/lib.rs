//! From room to browser: who may see what, and how it gets there.
//!
//! [`Gateway`] owns everything: `ringside_access` says who may see and do what, the hub holds the rooms that somebody here watches, delivery
//! hands their frames to sockets, streams and polls, the API and the pages answer single questions from the same rooms.
//! `routes.rs` lists every URL.

mod api;
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
mod routes;
mod security_headers;
mod settings;
mod sign_in;

pub use delivery::DeliverySettings;
pub use error::Error;
pub use gateway::Gateway;
pub use hub::{Initial, Refusal};
pub use memory::MemoryReading;
pub use routes::ROUTES;
pub use settings::GatewaySettings;
