#![doc = include_str!("../README.md")]

pub mod fold;
pub mod health;
pub mod owner;
mod publish;
pub mod source;
pub mod webhook;
