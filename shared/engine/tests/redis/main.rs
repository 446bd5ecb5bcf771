//! The contract on each kind of Redis, and cases of Redis alone.
//!
//! Every server is a real one, started for this run. The contract's cases share one server of each kind, and each case
//! has a prefix of its own.

mod cluster;
mod contract;
mod outages;
mod refusals;
mod sentinel;
mod support;
