//! Tables `totals` and `daily_totals`.

use battlearena_storage::{Database, Session, Statement, StorageError};
use jiff::civil::Date;

use crate::domain::Changes;

pub(crate) static ALL: &[&Statement] =
    &[&ADD, &ADD_DAYS, &READ, &PLAYERS, &MATCHES, &REVENUE, &CLEAR, &CLEAR_DAYS];

/// A row of `totals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) kind: String,
    pub(crate) type_: String,
    pub(crate) status: String,
    pub(crate) count: i64,
    pub(crate) amount: i64,
}

static ADD: Statement = Statement::new(
    "add_totals",
    "INSERT",
    "totals",
    "insert into analytics.totals as t (kind, type, status, count, amount)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
     on conflict on constraint totals_pkey
     do update set count = t.count + excluded.count, amount = t.amount + excluded.amount",
);

static ADD_DAYS: Statement = Statement::new(
    "add_daily_totals",
    "INSERT",
    "daily_totals",
    "insert into analytics.daily_totals as t (day, kind, type, status, count, amount)
     select * from unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
     on conflict on constraint daily_totals_pkey
     do update set count = t.count + excluded.count, amount = t.amount + excluded.amount",
);

/// Adds what a batch counts.
pub(crate) async fn add(session: Session<'_>, changes: &Changes) -> Result<(), StorageError> {
    let totals = changes.totals();
    let kinds: Vec<&str> = totals.keys().map(|counted| counted.kind).collect();
    let types: Vec<&str> = totals.keys().map(|counted| counted.type_.as_str()).collect();
    let statuses: Vec<&str> = totals.keys().map(|counted| counted.status.as_str()).collect();
    let counts: Vec<i64> = totals.values().map(|count| count.count).collect();
    let amounts: Vec<i64> = totals.values().map(|count| count.amount).collect();
    session.execute(&ADD, &[&kinds, &types, &statuses, &counts, &amounts]).await?;

    let days: Vec<Date> = changes.days.keys().map(|(day, _)| *day).collect();
    let kinds: Vec<&str> = changes.days.keys().map(|(_, counted)| counted.kind).collect();
    let types: Vec<&str> = changes.days.keys().map(|(_, counted)| counted.type_.as_str()).collect();
    let statuses: Vec<&str> = changes.days.keys().map(|(_, counted)| counted.status.as_str()).collect();
    let counts: Vec<i64> = changes.days.values().map(|count| count.count).collect();
    let amounts: Vec<i64> = changes.days.values().map(|count| count.amount).collect();
    session.execute(&ADD_DAYS, &[&days, &kinds, &types, &statuses, &counts, &amounts]).await?;
    Ok(())
}

static READ: Statement = Statement::new(
    "read_totals",
    "SELECT",
    "totals",
    "select c.log_offset, h.last_offset, t.kind, t.type, t.status, t.count, t.amount
     from analytics.log_head h
     left join analytics.consumers c on c.name = $1
     left join analytics.totals t on true
     order by t.kind, t.type, t.status",
);

/// All totals, the offset up to which they contain the log, and the end of the log, as of one moment.
pub(crate) async fn read(
    database: &Database,
    consumer: &str,
) -> Result<(i64, i64, Vec<Total>), StorageError> {
    let rows = database.query(&READ, &[&consumer]).await?;
    let offsets = rows.first().map(|row| (row.get::<_, Option<i64>>(0).unwrap_or(0), row.get(1)));
    let (offset, head) = offsets.unwrap_or((0, 0));
    let totals = rows.iter().filter_map(|row| {
        let kind = row.get::<_, Option<String>>(2)?;
        Some(Total { kind, type_: row.get(3), status: row.get(4), count: row.get(5), amount: row.get(6) })
    });
    Ok((offset, head, totals.collect()))
}

static PLAYERS: Statement = Statement::new(
    "player_stats",
    "SELECT",
    "totals",
    "select (select coalesce(sum(count), 0) from analytics.totals where kind = 'registrations')::bigint,
            (select coalesce(sum(count), 0) from analytics.daily_totals
             where kind = 'registrations' and day = $1)::bigint",
);

/// Players ever registered, and registered on a day.
pub(crate) async fn players(database: &Database, day: Date) -> Result<(i64, i64), StorageError> {
    let row = database.query_one(&PLAYERS, &[&day]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Numbers of matches.
pub(crate) struct MatchNumbers {
    pub(crate) started: i64,
    pub(crate) completed: i64,
    pub(crate) crashed: i64,
    pub(crate) seconds_completed: i64,
    pub(crate) completed_on_day: i64,
    pub(crate) crashed_on_day: i64,
}

static MATCHES: Statement = Statement::new(
    "match_stats",
    "SELECT",
    "totals",
    "select coalesce(sum(count) filter (where status = 'started' and day is null), 0)::bigint,
            coalesce(sum(count) filter (where status = 'completed' and day is null), 0)::bigint,
            coalesce(sum(count) filter (where status = 'crashed' and day is null), 0)::bigint,
            coalesce(sum(amount) filter (where status = 'completed' and day is null), 0)::bigint,
            coalesce(sum(count) filter (where status = 'completed' and day is not null), 0)::bigint,
            coalesce(sum(count) filter (where status = 'crashed' and day is not null), 0)::bigint
     from (select null::date as day, status, count, amount from analytics.totals where kind = 'matches'
           union all
           select day, status, count, amount from analytics.daily_totals where kind = 'matches' and day = $1) n",
);

/// Matches since the beginning and on a day.
pub(crate) async fn matches(database: &Database, day: Date) -> Result<MatchNumbers, StorageError> {
    let row = database.query_one(&MATCHES, &[&day]).await?;
    Ok(MatchNumbers {
        started: row.get(0),
        completed: row.get(1),
        crashed: row.get(2),
        seconds_completed: row.get(3),
        completed_on_day: row.get(4),
        crashed_on_day: row.get(5),
    })
}

/// Numbers of purchases.
pub(crate) struct RevenueNumbers {
    pub(crate) cents_on_day: i64,
    pub(crate) cents_since: i64,
    pub(crate) completed_on_day: i64,
    pub(crate) failed_on_day: i64,
}

static REVENUE: Statement = Statement::new(
    "revenue_stats",
    "SELECT",
    "daily_totals",
    "select coalesce(sum(amount) filter (where status = 'completed' and day = $2), 0)::bigint,
            coalesce(sum(amount) filter (where status = 'completed'), 0)::bigint,
            coalesce(sum(count) filter (where status = 'completed' and day = $2), 0)::bigint,
            coalesce(sum(count) filter (where status = 'failed' and day = $2), 0)::bigint
     from analytics.daily_totals where kind = 'transactions' and day between $1 and $2",
);

/// Purchases on a day, and revenue from the first of two days to the last.
pub(crate) async fn revenue(
    database: &Database,
    first: Date,
    last: Date,
) -> Result<RevenueNumbers, StorageError> {
    let row = database.query_one(&REVENUE, &[&first, &last]).await?;
    Ok(RevenueNumbers {
        cents_on_day: row.get(0),
        cents_since: row.get(1),
        completed_on_day: row.get(2),
        failed_on_day: row.get(3),
    })
}

static CLEAR: Statement = Statement::new("clear_totals", "DELETE", "totals", "delete from analytics.totals");

static CLEAR_DAYS: Statement =
    Statement::new("clear_daily_totals", "DELETE", "daily_totals", "delete from analytics.daily_totals");

/// Forgets all totals.
pub(crate) async fn clear(session: Session<'_>) -> Result<(), StorageError> {
    session.execute(&CLEAR, &[]).await?;
    session.execute(&CLEAR_DAYS, &[]).await?;
    Ok(())
}
