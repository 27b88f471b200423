//! `arena alertmanager render`: writes Alertmanager's configuration for the secrets that there are.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use battlearena_monitoring::alertmanager;
use clap::{Args, Subcommand};

/// Settings of `arena alertmanager`.
#[derive(Debug, Args)]
pub(crate) struct AlertmanagerSettings {
    #[command(subcommand)]
    command: AlertmanagerCommand,
}

#[derive(Debug, Subcommand)]
enum AlertmanagerCommand {
    /// Write the configuration with the receivers whose secrets exist.
    Render(RenderSettings),
}

#[derive(Debug, Args)]
struct RenderSettings {
    /// The configuration with every receiver.
    #[arg(
        long,
        env = "ARENA_ALERTMANAGER_TEMPLATE",
        default_value = "deploy/alertmanager/alertmanager.yml",
        value_name = "FILE"
    )]
    template: PathBuf,

    /// The folder of the secrets, by the path at which Alertmanager sees it too. A receiver whose secret is missing or empty
    /// is left out: pagerduty-routing-key, slack-webhook-url, smtp-password, webhook-url, watchdog-webhook-url.
    #[arg(
        long,
        env = "ARENA_ALERTMANAGER_SECRETS",
        default_value = ".secrets/alertmanager",
        value_name = "FOLDER"
    )]
    secrets: PathBuf,

    /// Where to write it [default: standard output].
    #[arg(long, env = "ARENA_ALERTMANAGER_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,

    /// The mail server, as host and port: needed with smtp-password.
    #[arg(long, env = "ARENA_SMTP_ADDRESS", value_name = "ADDRESS")]
    smtp_address: Option<String>,

    /// Who the mails are from, which is also the name at the mail server.
    #[arg(long, env = "ARENA_SMTP_FROM", value_name = "MAIL")]
    smtp_from: Option<String>,

    /// Who gets the mails.
    #[arg(long, env = "ARENA_SMTP_TO", value_name = "MAIL")]
    smtp_to: Option<String>,
}

/// Writes the configuration.
///
/// # Errors
/// The template cannot be read, a secret is there without its settings, or the result cannot be written.
pub(crate) fn run(settings: AlertmanagerSettings) -> anyhow::Result<ExitCode> {
    let AlertmanagerCommand::Render(settings) = settings.command;
    let template = std::fs::read_to_string(&settings.template)
        .with_context(|| format!("cannot read {}", settings.template.display()))?;
    let secrets = std::path::absolute(&settings.secrets).context("cannot find the folder of the secrets")?;
    let rendered = alertmanager::render(&template, &secrets, |name| settings.named(name))?;
    write(settings.output.as_deref(), &rendered)?;
    Ok(ExitCode::SUCCESS)
}

impl RenderSettings {
    /// What a template may ask for.
    fn named(&self, name: &str) -> Option<String> {
        let setting = match name {
            "ARENA_SMTP_ADDRESS" => &self.smtp_address,
            "ARENA_SMTP_FROM" => &self.smtp_from,
            "ARENA_SMTP_TO" => &self.smtp_to,
            _ => return None,
        };
        setting.clone().filter(|setting| !setting.is_empty())
    }
}

fn write(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => std::io::stdout().write_all(text.as_bytes()).context("cannot print the configuration"),
    }
}
