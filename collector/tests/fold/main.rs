//! The fold through its public interface: events and ticks in, numbers out.

#![allow(clippy::unwrap_used, reason = "a panic in a test names its line")]

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
