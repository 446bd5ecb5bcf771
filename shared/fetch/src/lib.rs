#![doc = include_str!("../README.md")]

mod address;
mod fetcher;
mod trust;

pub use address::{parse_address, parse_named_address};
pub use fetcher::{FetchError, FetchLimits, Fetched, Fetcher};
pub use trust::{NoTrustedCertificates, TlsProblem, explain_tls_error, system_trust};
