//! The gateway as its clients see it: a real port, a real engine, and publications as a collector makes them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod access;
mod delivery;
mod http;
mod hub;
mod support;
