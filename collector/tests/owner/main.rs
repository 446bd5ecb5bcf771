//! Owners publish every event once, across rebalances and failures.

#![expect(clippy::unwrap_used, reason = "a panic in a test names its line")]

mod faults;
mod faulty_engine;
mod fixture;
mod rebalancing;
mod single_owner;
