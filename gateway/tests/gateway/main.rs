//! The gateway as its clients see it: a real port, a real engine, and publications as a collector makes them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod admin;
mod admission;
mod api_tokens;
mod away;
mod bare;
mod bench;
mod client;
mod closing;
mod cursors;
mod door;
mod door_tls;
mod doors;
mod drain;
mod ending;
mod faulty;
mod floor;
mod framing;
mod garbage;
mod hanging_up;
mod hostile;
mod issuers;
mod knocking;
mod ledger;
mod live;
mod masking;
mod mover;
mod moving;
mod observed;
mod oidc;
mod problems;
mod provider;
mod questions;
mod refused;
mod repair;
mod resume;
mod rights;
mod sessions;
mod silence;
mod slow;
mod stream;
mod table;
mod utf8;
mod visitor;
