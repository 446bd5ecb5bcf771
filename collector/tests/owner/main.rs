//! Owners on a real engine: what they fold is told once, whoever owns what and whatever ends it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod alone;
mod faults;
mod floor;
mod shares;
mod wilful;
