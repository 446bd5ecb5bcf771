//! Rooms: snapshots, history, repair, masking.

mod engine_outage;
mod masking;
mod repair;
