#![doc = include_str!("../README.md")]

pub mod fold;
pub mod owner;
mod publish;
pub mod source;
pub mod webhook;
