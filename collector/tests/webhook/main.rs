//! The way in, from a request's bytes to the log, on the embedded engine.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod delivery;
mod forms;
mod hostile;
mod intake;
mod intake_fixture;
mod keys;
mod numbers;
mod signatures;
mod spool;
mod streams;
