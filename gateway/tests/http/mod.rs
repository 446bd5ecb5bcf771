//! The port and single requests.

mod analytics;
mod disconnects;
mod hostile;
mod origins;
mod problems;
mod refused;
mod tls;
