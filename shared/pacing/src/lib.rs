#![doc = include_str!("../README.md")]

mod backoff;
mod bucket;

pub use backoff::Backoff;
pub use bucket::{Bucket, Rate};
