//! The fold, from the outside: events and ticks in, numbers out.

#![allow(clippy::unwrap_used, reason = "a fixture that can't be set up shall fail its test")]

mod alerts;
mod calls;
mod checkpoint;
mod day;
mod fixture;
mod live;
mod model;
mod order;
mod tenants;
mod windows;
