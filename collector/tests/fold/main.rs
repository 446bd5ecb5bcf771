//! The fold, from the outside: events and ticks in, numbers out.

mod alerts;
mod calls;
mod checkpoint;
mod day;
mod live;
mod model;
mod order;
mod scene;
mod tenants;
mod windows;
