//! `ringside bench`: measures this build on this machine.
//!
//! By itself: event in to frame out, the fold alone, ingest with acknowledgement (`flow.rs`). `bench redis` measures what
//! Redis needs (`memory.rs`), `bench logins` what an attack on a password costs (`logins.rs`), `bench relay` the way from a publication to many clients (`relay/`). What is measured is a
//! server of its own (`server.rs`), driven over real HTTP and real sockets.

mod flow;
mod logins;
mod memory;
mod process;
mod relay;
mod server;

use clap::{Args, Subcommand};

use crate::config::Config;

/// `ringside bench`
#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    flow: flow::FlowArgs,
}

/// Something else to measure.
#[derive(Subcommand)]
enum What {
    /// How much memory Redis needs for campaigns, calls and histories (starts a redis-server of its own)
    Redis(memory::MemoryArgs),
    /// What somebody who tries passwords all the time costs the others (a server of its own)
    Logins(logins::LoginsArgs),
    /// Load: so many connections, rooms and frames a second; prints deliveries, loss, latency, processor and memory
    Relay(relay::RelayArgs),
}

/// Runs what was asked for and prints a table.
pub(crate) async fn run(args: &BenchArgs, config: &Config) -> anyhow::Result<()> {
    match &args.what {
        None => flow::run(&args.flow, config.redis.as_deref()).await,
        Some(What::Redis(args)) => memory::run(args).await,
        Some(What::Logins(args)) => logins::run(args).await,
        Some(What::Relay(args)) => relay::run(args, config.redis.as_deref()).await,
    }
}
