//! Owners on a real engine: what they fold is told once, whoever owns what and whatever ends it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod faults;
mod faulty_engine;
mod fixture;
mod rebalancing;
mod single_owner;
