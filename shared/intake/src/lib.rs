#![doc = include_str!("../README.md")]

mod alias;
mod error;
mod incoming;
mod intake;
mod receipt;
mod recent;

pub use alias::{Aliases, Secret};
pub use error::IntakeError;
pub use incoming::IncomingEvent;
pub use intake::{Intake, IntakeSettings, Reservation, count_events};
pub use receipt::{Receipt, Rejection};
