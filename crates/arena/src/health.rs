//! `arena health`: asks one service whether it is ready, for container health checks. One line, one exit code.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use battlearena_tls::{Settings, Tls};
use clap::Args;
use tokio::runtime::Builder;

use crate::probe::{Probe, Scheme};
use crate::roles::{Addresses, Role};

/// Settings of `arena health`.
#[derive(Debug, Args)]
pub(crate) struct HealthSettings {
    /// Which service to ask, at the address that its own setting names.
    #[arg(long, value_enum, required_unless_present = "url", conflicts_with = "url")]
    role: Option<Role>,

    /// What to ask instead: the full URL of a readiness endpoint, such as http://127.0.0.1:8000/readyz.
    #[arg(long)]
    url: Option<String>,

    /// Longest wait for the answer, in milliseconds.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..=60_000), value_name = "MS")]
    timeout_ms: u64,

    #[command(flatten)]
    addresses: Addresses,

    #[command(flatten)]
    tls: Settings,
}

/// Asks, prints the answer, and turns it into an exit code.
///
/// # Errors
/// Nobody answers in time.
pub(crate) fn run(settings: &HealthSettings) -> anyhow::Result<ExitCode> {
    let url = match (&settings.url, settings.role) {
        (Some(url), _) => url.clone(),
        (None, role) => {
            let address = role.unwrap_or(Role::Gateway).operations(&settings.addresses);
            Scheme::of(&settings.tls).url(address, "/readyz")
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let probe = Probe::new(Duration::from_millis(settings.timeout_ms), &Tls::load(&settings.tls)?);
    let answer = runtime.block_on(probe.get(&url))?;
    let ready = answer.status == 200;
    let word = if ready { "ready" } else { "not ready" };
    // Whoever closes standard output wants the exit code alone.
    let _ = writeln!(std::io::stdout(), "{word}: {url} answers {} {}", answer.status, answer.body.trim());
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
