//! The gateway as its clients see it: a real port, a real engine, and publications as a collector makes them.

mod client;
mod doors;
mod floor;
mod live;
mod questions;
mod resume;
mod rights;
