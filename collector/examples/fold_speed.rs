//! Prints how fast a generated day folds: `cargo run --release -p ringside-collector --example fold_speed [calls]`.

use ringside_collector::fold::day::Day;
use ringside_collector::fold::{FoldSettings, measure};

fn main() {
    let calls = std::env::args().nth(1).and_then(|calls| calls.parse().ok()).unwrap_or(100_000);
    let speed = measure(Day { seed: 1, calls }, FoldSettings::default());
    println!("{} events and {} ticks in {:.2?}", speed.events, speed.ticks, speed.elapsed);
    println!("{:.0} events/s", speed.events_per_s());
    println!("{:.1} bytes of ledger a call, keys included", speed.ledger_bytes_per_call());
    println!("{} bytes of checkpoint, {} bytes of memory a campaign", speed.checkpoint_bytes, speed.campaign_bytes);
    println!("{:.1?} to read a campaign's metrics and charts", speed.read);
}
