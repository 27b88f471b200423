//! `arena describe`: documents that are made from what they describe, so that nothing is listed a second time. For the
//! metrics each role is started, without a database, and asked what it has; the alerts are read from their rules.

mod document;
mod instrument;
mod role;
mod sections;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use battlearena_monitoring::alerts;
use clap::{Args, Subcommand, ValueEnum as _};

use crate::roles::Role;
use instrument::Instrument;

/// Settings of `arena describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeSettings {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Every metric of every service, as Markdown: docs/metrics.md.
    Metrics,
    /// Every alert, as Markdown: deploy/alerts.md. Fails when one lacks what an alert must have, or its runbook.
    Alerts {
        /// The folder of the rule files.
        #[arg(long, default_value = "deploy/prometheus/rules", value_name = "FOLDER")]
        rules: PathBuf,
        /// The folder of the runbooks.
        #[arg(long, default_value = "docs/runbooks", value_name = "FOLDER")]
        runbooks: PathBuf,
    },
    /// The metrics of one role, as JSON. Instruments belong to a process, so `metrics` runs this once a role.
    #[command(hide = true)]
    Role {
        /// Which role.
        #[arg(value_enum)]
        role: Role,
    },
}

/// Prints what was asked for.
///
/// # Errors
/// A role does not start, or two roles disagree about a metric.
pub(crate) fn run(settings: &DescribeSettings) -> anyhow::Result<ExitCode> {
    match &settings.subject {
        Subject::Role { role } => role::run(*role),
        Subject::Metrics => {
            let roles = Role::value_variants().iter();
            let described = roles.map(|role| Ok((*role, ask(*role)?))).collect::<anyhow::Result<Vec<_>>>()?;
            print(&document::write(&described)?)
        }
        Subject::Alerts { rules, runbooks } => print(&alerts::document(rules, runbooks, "../docs/runbooks")?),
    }
}

fn print(document: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(document.as_bytes()).context("cannot print the document")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs this program once as the role, with no settings but those of the code.
fn ask(role: Role) -> anyhow::Result<Vec<Instrument>> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(&program)
        .args(["describe", "role", role.name()])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} cannot be described: {errors}", role.name());
    serde_json::from_slice(&output.stdout).with_context(|| format!("{} said nothing of use", role.name()))
}
