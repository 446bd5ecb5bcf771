//! `ringside`: the live ops dashboard for outbound call campaigns, one binary with its roles as subcommands.
//!
//! `config/` reads the configuration, `run.rs` starts a role and owns the order in which it stops, `floor.rs` says what
//! each role is made of, `access/` is the command line for who has access, `bench/` measures, `torture/` breaks
//! things on purpose, `verify.rs` looks whether what is stored agrees with itself, `tail.rs` shows rooms in a terminal.

mod access;
mod bench;
mod check;
mod config;
mod console;
mod engine;
mod installation;
mod issuers;
mod listen;
mod open_files;
mod role;
mod roles;
mod rules;
mod run;
mod socket;
mod startup;
mod tail;
mod torture;
mod verify;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::{Config, Flags, Loaded, LogFormat};
use role::Role;
use tracing_subscriber::EnvFilter;

/// The live ops dashboard for outbound call campaigns.
///
/// Without a command it runs everything in this process: dashboard, event intake and, where no source is configured, a
/// simulated floor. It prints the URL and, on the first start, the admin's password.
#[derive(Parser)]
#[command(name = "ringside", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Every key of the configuration can be set as RINGSIDE_<KEY> in the environment or in ringside.toml; `ringside check`
lists the keys with their values and where each came from. Secrets also by file: RINGSIDE_ADMIN_PASSWORD_FILE,
RINGSIDE_INGEST_KEY_FILE, RINGSIDE_REDIS_PASSWORD_FILE.";

#[derive(Subcommand)]
enum Command {
    /// Run everything in this process (the same as no command)
    Up,
    /// Run a gateway on a shared Redis: pages, sockets, API; any number behind any load balancer
    Gateway,
    /// Run a collector on a shared Redis: event intake, sources, a share of the partitions; any number
    Collector,
    /// Check the configuration, print each value and where it came from, and reach what it names
    Check,
    /// Accounts (without --redis stop the running process first: one process at a time has the data folder)
    User(access::UserArgs),
    /// Tokens that last, for scripts and wallboards (without --redis stop the running process first)
    Token(access::TokenArgs),
    /// List and end sessions (without --redis stop the running process first)
    Session(access::SessionArgs),
    /// API keys for /ingest/events (without --redis stop the running process first)
    Key(access::KeyArgs),
    /// Print the audit log, newest first (without --redis stop the running process first)
    Audit(access::AuditArgs),
    /// Measure this build on this machine: latency, fold, ingest; and more, see its commands
    Bench(bench::BenchArgs),
    /// Run the scaled-out system on a real Redis under faults drawn from a seed, and judge it
    Torture(torture::TortureArgs),
    /// Check that what is stored (in --redis or --data) agrees with itself; writes nothing
    Verify,
    /// Show what happens in rooms, a line for each frame
    Tail(tail::TailArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Loaded::read(&cli.flags).and_then(|loaded| {
        begin_log(&loaded.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(dispatch(cli.command.unwrap_or(Command::Up), &loaded))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, its causes after colons; never a trace. Some libraries draw pictures of what is wrong.
            let sentence = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
            // Nothing can be done where stderr itself is gone.
            let _ = writeln!(std::io::stderr(), "ringside: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command, loaded: &Loaded) -> anyhow::Result<()> {
    match command {
        Command::Up => run::run(&loaded.config, Role::Up).await,
        Command::Gateway => run::run(&loaded.config, Role::Gateway).await,
        Command::Collector => run::run(&loaded.config, Role::Collector).await,
        Command::Check => check::check(loaded).await,
        Command::User(args) => access::user(&loaded.config, &args).await,
        Command::Token(args) => access::token(&loaded.config, &args).await,
        Command::Session(args) => access::session(&loaded.config, &args).await,
        Command::Key(args) => access::key(&loaded.config, &args).await,
        Command::Audit(args) => access::audit(&loaded.config, &args).await,
        Command::Bench(args) => bench::run(&args, &loaded.config).await,
        Command::Torture(args) => torture::run(&args).await,
        Command::Tail(args) => tail::run(&loaded.config, &args).await,
        Command::Verify => verify::run(&loaded.config).await,
    }
}

fn begin_log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| anyhow::anyhow!("configuration key \"log\" is \"{}\": {error}", config.log))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
