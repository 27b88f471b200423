//! The outboxes against the log. An event is compared by its kind, its content, its time and its trace, and by its place
//! among the events of its source.

use battlearena_storage::Database;

use super::{Line, lines, schemas_with};

/// Every event of every outbox is in the log once, in the order of the outbox, and the log is dense.
pub(super) async fn complete(database: &Database) -> anyhow::Result<Vec<Line>> {
    let mut found = lines(database, DENSE).await?;
    for schema in schemas_with(database, "outbox").await? {
        found.extend(lines(database, &of_outbox(&schema)).await?);
    }
    found.extend(lines(database, ENDS).await?);
    Ok(found)
}

/// Offsets are dense from 1 to the head.
const DENSE: &str = "
    select 'log: events', count(*), (select last_offset from analytics.log_head) from analytics.system_events
    union all
    select 'log: distinct offsets', count(distinct log_offset), (select last_offset from analytics.log_head)
    from analytics.system_events
    union all
    select 'log: offsets beyond the head or before 1', count(*), 0 from analytics.system_events
    where log_offset not between 1 and (select last_offset from analytics.log_head)";

/// What the services checked already, from the log alone: a match begins once and ends once.
const ENDS: &str = "
    select 'log: matches that do not begin once and end once', count(*), 0
    from (select metadata ->> 'match_id'
          from analytics.system_events
          where source = 'match'
          group by 1
          having count(*) filter (where event_type = 'match_started') <> 1
              or count(*) filter (where event_type in ('match_completed', 'match_crashed')) <> 1) as odd";

fn of_outbox(schema: &str) -> String {
    format!(
        "with told as (
           select kind, payload::jsonb as content, created_at as at, coalesce(traceparent, '') as trace,
                  row_number() over (order by xid, seq) as place
           from {schema}.outbox),
         logged as (
           select event_type as kind, metadata::jsonb as content, occurred_at as at, coalesce(traceparent, '') as trace,
                  row_number() over (order by log_offset) as place
           from analytics.system_events where source = '{schema}'),
         counted as (
           select kind, content, at, trace, coalesce(told.n, 0) as told, coalesce(logged.n, 0) as logged
           from (select kind, content, at, trace, count(*) as n from told group by 1, 2, 3, 4) told
           full join (select kind, content, at, trace, count(*) as n from logged group by 1, 2, 3, 4) logged
             using (kind, content, at, trace))
         (select '{schema}: ' || kind || ' told and logged', sum(logged), sum(told)
          from counted group by kind order by kind)
         union all
         select '{schema}: events that are lost', coalesce(sum(told - logged) filter (where told > logged), 0), 0
         from counted
         union all
         select '{schema}: events that are doubled', coalesce(sum(logged - told) filter (where logged > told), 0), 0
         from counted
         union all
         select '{schema}: events out of order', count(*), 0
         from told join logged using (place)
         where (told.kind, told.content, told.at) is distinct from (logged.kind, logged.content, logged.at)"
    )
}
