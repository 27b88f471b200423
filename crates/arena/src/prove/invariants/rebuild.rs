//! Read models against a rebuild from the log. The tables are copied and then emptied, so that a rebuild that did nothing
//! could not pass.

use std::time::Duration;

use anyhow::ensure;
use battlearena_storage::Database;
use battlearena_storage::events::request_rebuild;
use tokio::time::{Instant, sleep};

use super::{Line, lines};

/// How long a rebuild may take.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// A read model: what of it is compared, and how its contents are thrown away.
struct ReadModel {
    name: &'static str,
    contents: &'static str,
    spoil: &'static str,
}

const OF_ANALYTICS: [ReadModel; 3] = [
    ReadModel {
        name: "totals",
        contents: "select * from analytics.totals",
        spoil: "delete from analytics.totals",
    },
    ReadModel {
        name: "daily totals",
        contents: "select * from analytics.daily_totals",
        spoil: "delete from analytics.daily_totals",
    },
    ReadModel {
        name: "ranked players",
        contents: "select * from analytics.players",
        spoil: "delete from analytics.players",
    },
];

const OF_GATEWAY: [ReadModel; 1] = [ReadModel {
    name: "points of players",
    contents: "select id, total_points from gateway.players",
    spoil: "update gateway.players set total_points = total_points + 1000",
}];

/// Rebuilds analytics, and then gateway's points, which come from there.
pub(super) async fn rebuild_and_compare(database: &Database) -> anyhow::Result<Vec<Line>> {
    let mut found = Vec::new();
    let analytics = ("analytics", battlearena_analytics::READ_MODELS, &OF_ANALYTICS[..]);
    let gateway = ("gateway", battlearena_gateway::POINTS, &OF_GATEWAY[..]);
    for (schema, consumer, models) in [analytics, gateway] {
        for (number, model) in models.iter().enumerate() {
            keep_and_spoil(database, schema, number, model).await?;
        }
        ensure!(request_rebuild(database, schema, consumer).await?, "{schema} has no consumer {consumer}");
        let rebuilt = wait(database, schema, consumer).await?;
        found.push(Line::equal(format!("{consumer}: rebuilt"), i64::from(rebuilt), 1));
        for (number, model) in models.iter().enumerate() {
            found.extend(lines(database, &differences(schema, number, model)).await?);
        }
    }
    Ok(found)
}

async fn keep_and_spoil(
    database: &Database,
    schema: &str,
    number: usize,
    model: &ReadModel,
) -> anyhow::Result<()> {
    let ReadModel { name: _, contents, spoil } = model;
    let mut connection = database.connection().await?;
    let transaction = connection.begin().await?;
    let text = format!(
        "create schema if not exists prove; create table prove.{schema}_{number} as {contents}; {spoil}"
    );
    transaction.session().define(&text).await?;
    Ok(transaction.commit().await?)
}

fn differences(schema: &str, number: usize, model: &ReadModel) -> String {
    let ReadModel { name, contents, spoil: _ } = model;
    let before = format!("select * from prove.{schema}_{number}");
    format!(
        "select '{name}: rows', (select count(*) from ({contents}) now), (select count(*) from ({before}) before)
         union all
         select '{name}: rows that differ', count(*), 0
         from ((({contents}) except all ({before})) union all (({before}) except all ({contents}))) as different"
    )
}

/// Waits until the consumer has done what was asked of it, for a bounded time.
async fn wait(database: &Database, schema: &str, consumer: &str) -> anyhow::Result<bool> {
    let done = format!(
        "select not rebuild_requested and log_offset >= (select last_offset from analytics.log_head)
         from {schema}.consumers where name = $1"
    );
    let give_up_at = Instant::now() + PATIENCE;
    while Instant::now() < give_up_at {
        if database.connection().await?.session().query_text(&done, &[&consumer]).await?.get(0) {
            return Ok(true);
        }
        sleep(POLL).await;
    }
    Ok(false)
}
