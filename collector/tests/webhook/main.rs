//! The webhook, from a request's bytes to the log, on the embedded engine.
#![expect(clippy::unwrap_used, reason = "test helpers may panic like tests")]

mod body_forms;
mod delivery;
mod hostile_bodies;
mod intake;
mod intake_fixture;
mod keys;
mod phone_numbers;
mod signatures;
mod spool;
mod streams;
