//! How the domain looks as JSON.
