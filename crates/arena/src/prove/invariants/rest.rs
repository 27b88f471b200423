//! Rest: what was begun comes to its end within a bound, and nothing dies on the way.

use std::fs;
use std::time::Duration;

use battlearena_storage::Database;
use tokio::time::{Instant, sleep};

use super::{Line, lines, schemas_with};
use crate::prove::platform::{LONGEST_LOST_MATCH, Platform};

/// How long events may be on their way from the outboxes through the log into the read models.
const ARRIVAL: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(200);

/// Matches that nobody plays end by themselves.
pub(super) async fn no_match_is_stuck(database: &Database) -> anyhow::Result<Vec<Line>> {
    wait(database, STUCK, LONGEST_LOST_MATCH).await
}

pub(super) const STUCK: &str =
    "select 'matches in progress', count(*), 0 from match.matches where status = 'in_progress'";

/// The log has taken over every outbox to its end, every consumer has followed the log to its end, and no event had to be
/// put aside.
pub(super) async fn everything_arrives(database: &Database) -> anyhow::Result<Vec<Line>> {
    wait(database, &arrivals(database).await?, ARRIVAL).await
}

pub(super) async fn arrivals(database: &Database) -> anyhow::Result<String> {
    let mut parts = Vec::new();
    for schema in schemas_with(database, "outbox").await? {
        parts.push(format!(
            "select '{schema}: events before the log', count(*), 0 from {schema}.outbox
             where (xid, seq) > (coalesce((select xid from analytics.sources where name = '{schema}'), 0),
                                 coalesce((select seq from analytics.sources where name = '{schema}'), 0))"
        ));
    }
    for schema in schemas_with(database, "consumers").await? {
        parts.push(format!(
            "select name || ': followed the log to', log_offset, (select last_offset from analytics.log_head)
             from {schema}.consumers"
        ));
    }
    for schema in schemas_with(database, "dead_letters").await? {
        parts.push(format!("select '{schema}: dead letters', count(*), 0 from {schema}.dead_letters"));
    }
    Ok(parts.join(" union all "))
}

/// No service has written of a panic, and none was left behind.
pub(super) fn no_panics(platform: &Platform) -> anyhow::Result<Vec<Line>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(platform.logs())? {
        let entry = entry?;
        let log = fs::read(entry.path())?;
        let panics = String::from_utf8_lossy(&log).lines().filter(|line| line.contains("panicked")).count();
        found.push(Line::equal(
            format!("panics in {}", entry.file_name().to_string_lossy()),
            panics as i64,
            0,
        ));
    }
    found.sort_by(|one, other| one.what.cmp(&other.what));
    Ok(found)
}

/// Looks until every line holds, or the time is over.
async fn wait(database: &Database, query: &str, patience: Duration) -> anyhow::Result<Vec<Line>> {
    let give_up_at = Instant::now() + patience;
    loop {
        let found = lines(database, query).await?;
        if found.iter().all(Line::holds) || Instant::now() > give_up_at {
            return Ok(found);
        }
        sleep(POLL).await;
    }
}
