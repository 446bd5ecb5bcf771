#![doc = include_str!("../README.md")]

mod address;
mod fetcher;
mod trust;

pub use address::{parse_address, parse_named_address};
pub use fetcher::{FetchError, FetchLimits, Fetched, Fetcher};
pub use trust::{Distrusted, NoTrust, distrust, system_trust};
