//! `arena slo generate`: writes the Prometheus rules of the service-level objectives, or says that they are out of date.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use battlearena_monitoring::slo::{self, Options};
use clap::{Args, Subcommand};

/// Settings of `arena slo`.
#[derive(Debug, Args)]
pub(crate) struct SloSettings {
    #[command(subcommand)]
    command: SloCommand,
}

#[derive(Debug, Subcommand)]
enum SloCommand {
    /// Write the rules of every objective.
    Generate(GenerateSettings),
}

#[derive(Debug, Args)]
struct GenerateSettings {
    /// Folder of the specifications, one YAML file an objective.
    #[arg(long, env = "ARENA_SLO_SPEC", default_value = "deploy/slo", value_name = "FOLDER")]
    spec: PathBuf,

    /// Where to write the rules.
    #[arg(
        long,
        env = "ARENA_SLO_OUT",
        default_value = "deploy/prometheus/rules/slo.yml",
        value_name = "FILE"
    )]
    out: PathBuf,

    /// Write nothing, and fail when the file is not what would be written.
    #[arg(long, env = "ARENA_SLO_CHECK")]
    check: bool,

    /// Divide windows, `for` and intervals by this, to see within minutes what otherwise takes hours.
    #[arg(long, env = "ARENA_SLO_TIME_SCALE", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    time_scale: u32,

    /// How often the services are scraped, in seconds: no window may be shorter than four times this.
    #[arg(long, env = "ARENA_SLO_SCRAPE_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60), value_name = "SECONDS")]
    scrape_seconds: u64,
}

/// Does what was asked.
///
/// # Errors
/// A specification is wrong, the file cannot be written, or it is out of date.
pub(crate) fn run(settings: SloSettings) -> anyhow::Result<ExitCode> {
    let SloCommand::Generate(GenerateSettings { spec, out, check, time_scale, scrape_seconds }) =
        settings.command;
    let options = Options { time_scale, scrape_interval: Duration::from_secs(scrape_seconds) };
    let rules = slo::write(&slo::read(&spec)?, &options)?;
    let path = out.display();
    if check {
        let written = fs::read_to_string(&out).with_context(|| format!("cannot read {path}"))?;
        if written != rules {
            bail!("{path} is out of date: run `make slo`");
        }
    } else {
        fs::write(&out, rules).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
