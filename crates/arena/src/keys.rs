//! `arena keys`: makes, lists and ends the API keys of game servers and operators. Works on the database alone; the
//! running gateways see a change within a second. A key is shown or written once, when it is made.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use battlearena_gateway::keys::{self, ApiKeyRow, NewApiKey};
use battlearena_identity::{Role, Scope, Scopes};
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, DatabasePassword, DatabaseSettings};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::key_file;

/// Who the log of events says it was.
const BY: &str = "cli";

const HOUR: u64 = 3600;

/// Settings of `arena keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysSettings {
    /// PostgreSQL connection string or URL, as `arena up` prints it (libpq's form; secrets belong into the environment,
    /// not into argv).
    #[arg(long, env = "ARENA_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true)]
    database_url: Option<String>,

    #[command(flatten)]
    database_password: DatabasePassword,

    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key, and print it: this once, since only its hash is kept.
    Create(NewKey),
    /// List the keys as JSON, one a line, oldest first, those that have ended too.
    List,
    /// End a key: it and the tokens that it was exchanged for are refused within a second.
    Revoke {
        /// Its id, as `list` shows it: the part between `ak_` and the next `_`.
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
struct NewKey {
    /// Write it into this file (mode 0600) instead of printing it. A file that holds a key that is still good stays as it
    /// is, so that this can be done at each start.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    new: KeyDescription,
}

#[derive(Debug, Args)]
struct KeyDescription {
    /// Whose it is.
    #[arg(long, value_enum)]
    role: Holder,

    /// What to call it, 1 to 100 characters.
    #[arg(long)]
    name: String,

    /// What it may do, such as matches:write; may be given several times [default: all that its role may]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,

    /// How long it is good for: hours or days, such as 12h or 90d [default: until it is revoked]
    #[arg(long, value_parser = life, value_name = "TIME")]
    expires: Option<Duration>,
}

/// Who may have a key.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Holder {
    /// A machine that runs matches.
    GameServer,
    /// A person or tool that runs the platform.
    Operator,
}

impl From<Holder> for Role {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::GameServer => Self::GameServer,
            Holder::Operator => Self::Operator,
        }
    }
}

/// Does what was asked and says what came of it.
pub(crate) async fn run(settings: KeysSettings, _: CancellationToken) -> anyhow::Result<ExitCode> {
    let Some(url) = settings.database_url else {
        bail!("which database? Give --database-url or ARENA_DATABASE_URL; `arena up` prints it");
    };
    let url = settings.database_password.complete(&url)?;
    let database = Database::new(&DatabaseSettings::for_url(url), "arena-keys")?;
    let mut out = std::io::stdout().lock();
    match settings.command {
        KeysCommand::Create(NewKey { file: Some(file), new }) => {
            let made = key_file::keep(&file, &database, &new.into()).await?;
            let word = if made { "is made" } else { "is there already" };
            writeln!(out, "the key {word}: {}", file.display())?;
        }
        KeysCommand::Create(NewKey { file: None, new }) => {
            let key = keys::create(&database, &new.into()).await?;
            writeln!(out, "{}", key.text().expose())?;
        }
        KeysCommand::List => {
            for row in keys::list(&database).await? {
                writeln!(out, "{}", describe(&row))?;
            }
        }
        KeysCommand::Revoke { id } => {
            keys::revoke(&database, &id, BY).await?;
            writeln!(out, "{id} is revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From<KeyDescription> for NewApiKey {
    fn from(new: KeyDescription) -> Self {
        let KeyDescription { role, name, scopes, expires } = new;
        let scopes = (!scopes.is_empty()).then(|| scopes.into_iter().collect::<Scopes>());
        Self { role: role.into(), name, scopes, expires_in: expires, by: BY.to_owned() }
    }
}

fn describe(row: &ApiKeyRow) -> serde_json::Value {
    let ApiKeyRow { id, role, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at } =
        row;
    let text = |time: &Option<_>| time.as_ref().map(ToString::to_string);
    json!({
        "id": id, "role": role, "name": name, "scopes": scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        "created_at": created_at.to_string(), "created_by": created_by, "expires_at": text(expires_at),
        "revoked_at": text(revoked_at), "last_used_at": text(last_used_at),
    })
}

/// Reads `12h` and `90d`.
fn life(text: &str) -> anyhow::Result<Duration> {
    let number = |unit| text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let hours = number('h').map(u64::from).or_else(|| number('d').map(|days| u64::from(days) * 24));
    let hours = hours.filter(|hours| *hours > 0).context("must be hours or days, such as 12h or 90d")?;
    Ok(Duration::from_secs(hours * HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_hours_or_days() {
        assert_eq!(life("12h").unwrap(), Duration::from_secs(43_200));
        assert_eq!(life("90d").unwrap(), Duration::from_secs(7_776_000));
        for wrong in ["", "d", "90", "0d", "-1d", "1w", "99999999999d"] {
            life(wrong).unwrap_err();
        }
    }
}
