//! Read models against a rebuild from the log. The tables are copied and then emptied, so that a rebuild that did nothing
//! could not pass.

use std::time::Duration;

use anyhow::ensure;
use battlearena_storage::Database;
use tokio::time::{Instant, sleep};

use super::{Line, lines, rest};
use crate::prove::read_models::ReadModels;

/// How long a rebuild may take.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// A table of a read model: what of it is compared, and how its contents are thrown away.
struct Table {
    name: &'static str,
    contents: &'static str,
    spoil: &'static str,
}

const OF_ANALYTICS: [Table; 3] = [
    Table {
        name: "totals",
        contents: "select * from analytics.totals",
        spoil: "delete from analytics.totals",
    },
    Table {
        name: "daily totals",
        contents: "select * from analytics.daily_totals",
        spoil: "delete from analytics.daily_totals",
    },
    Table {
        name: "ranked players",
        contents: "select * from analytics.players",
        spoil: "delete from analytics.players",
    },
];

const OF_GATEWAY: [Table; 1] = [Table {
    name: "points of players",
    contents: "select id, total_points from gateway.players",
    spoil: "update gateway.players set total_points = total_points + 1000",
}];

/// Rebuilds analytics, and then gateway's points, which come from there.
pub(super) async fn rebuild_and_compare(database: &Database) -> anyhow::Result<Vec<Line>> {
    let mut found = Vec::new();
    for (models, tables) in
        [(ReadModels::ANALYTICS, &OF_ANALYTICS[..]), (ReadModels::GATEWAY, &OF_GATEWAY[..])]
    {
        let ReadModels { schema, consumer } = models;
        for (number, table) in tables.iter().enumerate() {
            keep_and_spoil(database, schema, number, table).await?;
        }
        ensure!(models.request(database).await?, "{schema} has no consumer {consumer}");
        let rebuilt = wait(database, models).await?;
        found.push(Line::equal(format!("{consumer}: rebuilt"), i64::from(rebuilt), 1));
        // Built as of some offset, it follows the log from there.
        found.extend(rest::everything_arrives(database).await?.into_iter().filter(|line| !line.holds()));
        for (number, table) in tables.iter().enumerate() {
            found.extend(lines(database, &differences(schema, number, table)).await?);
        }
    }
    Ok(found)
}

async fn keep_and_spoil(
    database: &Database,
    schema: &str,
    number: usize,
    table: &Table,
) -> anyhow::Result<()> {
    let Table { name: _, contents, spoil } = table;
    let mut connection = database.connection().await?;
    let transaction = connection.begin().await?;
    let text = format!(
        "create schema if not exists prove; create table prove.{schema}_{number} as {contents}; {spoil}"
    );
    transaction.session().define(&text).await?;
    Ok(transaction.commit().await?)
}

fn differences(schema: &str, number: usize, table: &Table) -> String {
    let Table { name, contents, spoil: _ } = table;
    let before = format!("select * from prove.{schema}_{number}");
    format!(
        "select '{name}: rows', (select count(*) from ({contents}) now), (select count(*) from ({before}) before)
         union all
         select '{name}: rows that differ', count(*), 0
         from ((({contents}) except all ({before})) union all (({before}) except all ({contents}))) as different"
    )
}

/// Waits until what was asked for is done, for a bounded time.
async fn wait(database: &Database, models: ReadModels) -> anyhow::Result<bool> {
    let give_up_at = Instant::now() + PATIENCE;
    while Instant::now() < give_up_at {
        if models.are_rebuilt(database).await? {
            return Ok(true);
        }
        sleep(POLL).await;
    }
    Ok(false)
}
