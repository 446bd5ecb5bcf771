//! The engine on Redis: the contract on each kind of Redis, and what only Redis can go through.
//!
//! Every server here is a real one, started for this run. The contract's cases share one of each kind, and each has a
//! prefix of its own on it.

mod cluster;
mod contract;
mod outages;
mod refusals;
mod sentinel;
mod support;
