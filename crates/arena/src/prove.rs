//! `arena prove`: has the platform show that it keeps its promises. It starts a platform of its own, and leaves nothing
//! behind but, when a promise was broken, the evidence.

mod fault;
mod invariants;
mod plan;
mod platform;
mod processes;
mod proposal;
mod read_models;
mod report;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use battlearena_runtime::{raise_open_file_limit, stop_requested};
use clap::{Args, Subcommand};

use crate::role_process::runtime;
use proposal::Proposal;
use traffic::Wanted;

/// Settings of `arena prove`.
#[derive(Debug, Args)]
pub(crate) struct ProveSettings {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Play traffic without a fault: every total is exact, and no operation fails.
    Books(BooksSettings),
    /// Play traffic while services and PostgreSQL are killed, stalled and restarted; then check every invariant.
    Chaos(ChaosSettings),
}

/// Settings of `arena prove books`.
#[derive(Debug, Args)]
struct BooksSettings {
    /// How long operations arrive, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "SECONDS")]
    seconds: u64,

    /// Operations a second.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "RATE")]
    rate: u32,

    /// Players, who are registered first.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000), value_name = "COUNT")]
    players: u32,

    #[command(flatten)]
    common: Common,
}

/// Settings of `arena prove chaos`.
#[derive(Debug, Args)]
struct ChaosSettings {
    /// Rounds of faults: one fault each, or two that may overlap.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    rounds: u32,

    /// How long a round lasts at least, in seconds. It also lasts until everything is ready again.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    round_seconds: u64,

    /// Operations a second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "RATE")]
    rate: u32,

    /// Players, who are registered while the first faults happen.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(10..=1_000_000), value_name = "COUNT")]
    players: u32,

    #[command(flatten)]
    common: Common,
}

/// What every proof has.
#[derive(Debug, Args)]
struct Common {
    /// Seed of the plan of faults and of the traffic. Without it, each run differs; it is printed.
    #[arg(long)]
    seed: Option<u64>,

    /// The program to be proved [default: this one].
    #[arg(long, value_name = "FILE")]
    bin: Option<PathBuf>,

    /// Print the result as JSON, and the rest on standard error.
    #[arg(long)]
    json: bool,
}

/// Proves what was asked for. The exit code says whether it holds.
///
/// # Errors
/// The proof could not be carried out.
pub(crate) fn run(settings: ProveSettings) -> anyhow::Result<ExitCode> {
    raise_open_file_limit()?;
    runtime()?.block_on(Proposal::from(settings.what).carry_out(stop_requested(false)))
}

impl From<What> for Proposal {
    fn from(what: What) -> Self {
        match what {
            What::Books(BooksSettings { seconds, rate, players, common: Common { seed, bin, json } }) => {
                let seed = seed.unwrap_or_else(rand::random);
                let wanted = Wanted { seed, rate, players, exactly: Some(Duration::from_secs(seconds)) };
                Self { wanted, rounds: Vec::new(), round: Duration::ZERO, program: bin, json }
            }
            What::Chaos(ChaosSettings { rounds, round_seconds, rate, players, common }) => {
                let Common { seed, bin, json } = common;
                let seed = seed.unwrap_or_else(rand::random);
                let wanted = Wanted { seed, rate, players, exactly: None };
                let round = Duration::from_secs(round_seconds);
                Self { wanted, rounds: plan::plan(seed, rounds, round), round, program: bin, json }
            }
        }
    }
}
