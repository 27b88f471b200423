//! `arena events`: what an operator does about events that could not go on their way, and about read models. Works on the
//! database alone: the running services see the request within seconds.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{dead_letters, request_rebuild};
use battlearena_storage::{Database, DatabasePassword, DatabaseSettings};
use clap::{Args, Subcommand, ValueEnum};

/// Settings of `arena events`.
#[derive(Debug, Args)]
pub(crate) struct EventsSettings {
    /// PostgreSQL connection string or URL, as `arena up` prints it (libpq's form; secrets belong into the environment,
    /// not into argv).
    #[arg(long, env = "ARENA_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true)]
    database_url: Option<String>,

    #[command(flatten)]
    database_password: DatabasePassword,

    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Dead letters: events that could not be delivered or applied after several tries.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Build a projection of the event log anew. It changes at once when it is done.
    Rebuild {
        /// Which one.
        #[arg(value_enum)]
        projection: Projection,
    },
}

#[derive(Debug, Subcommand)]
enum DeadCommand {
    /// List them as JSON, one a line, oldest first.
    List {
        /// Whose; all by default.
        #[arg(long, value_enum)]
        service: Option<Owner>,
        /// How many of each service at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000), value_name = "COUNT")]
        limit: i64,
    },
    /// Have them tried again.
    Replay(Chosen),
    /// Give them up for good.
    Drop(Chosen),
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Chosen {
    /// Whose.
    #[arg(value_enum)]
    service: Owner,
    /// Their ids, as `list` shows them.
    #[arg(required_unless_present = "all", value_name = "ID")]
    ids: Vec<i64>,
    /// All of the service.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

/// A service that keeps dead letters in its schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Owner {
    Gateway,
    Match,
    Analytics,
}

/// What is made of the event log.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Projection {
    /// Analytics: totals, statistics and the leaderboard, from the log.
    Analytics,
    /// Gateway: the total points of players, from analytics.
    Gateway,
}

impl Owner {
    const ALL: [Self; 3] = [Self::Gateway, Self::Match, Self::Analytics];

    fn schema(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Match => "match",
            Self::Analytics => "analytics",
        }
    }
}

impl Chosen {
    fn ids(&self) -> Option<&[i64]> {
        (!self.all).then_some(&self.ids)
    }
}

/// Does what was asked and says what came of it.
pub(crate) async fn run(settings: EventsSettings, _: CancellationToken) -> anyhow::Result<ExitCode> {
    let Some(url) = settings.database_url else {
        bail!("which database? Give --database-url or ARENA_DATABASE_URL; `arena up` prints it");
    };
    let url = settings.database_password.complete(&url)?;
    let database = Database::new(&DatabaseSettings::for_url(url), "arena-events")?;
    match settings.command {
        EventsCommand::Dead(DeadCommand::List { service, limit }) => list(&database, service, limit).await?,
        EventsCommand::Dead(DeadCommand::Replay(chosen)) => {
            let count =
                dead_letters::request_replay(&database, chosen.service.schema(), chosen.ids()).await?;
            say(&format!("{count} to be tried again; `arena events dead list` shows those that fail again"))?;
        }
        EventsCommand::Dead(DeadCommand::Drop(chosen)) => {
            let count = dead_letters::drop(&database, chosen.service.schema(), chosen.ids()).await?;
            say(&format!("{count} dropped"))?;
        }
        EventsCommand::Rebuild { projection } => rebuild(&database, projection).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(database: &Database, service: Option<Owner>, limit: i64) -> anyhow::Result<()> {
    for owner in Owner::ALL
        .into_iter()
        .filter(|owner| service.is_none_or(|service| service.schema() == owner.schema()))
    {
        for letter in dead_letters::list(database, owner.schema(), limit).await? {
            let mut line = serde_json::to_value(letter).context("a dead letter that is no JSON")?;
            line["service"] = owner.schema().into();
            say(&line.to_string())?;
        }
    }
    Ok(())
}

async fn rebuild(database: &Database, projection: Projection) -> anyhow::Result<()> {
    let (schema, consumer) = match projection {
        Projection::Analytics => ("analytics", battlearena_analytics::READ_MODELS),
        Projection::Gateway => ("gateway", battlearena_gateway::POINTS),
    };
    if !request_rebuild(database, schema, consumer).await? {
        bail!("{schema} has not run on this database yet: there is nothing to rebuild");
    }
    say(&format!("{schema} rebuilds {consumer} within seconds; its log says when"))
}

fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
