//! The books of the services against each other: players, purchases, matches and points, as their owners have them and
//! as the log added them up.

use battlearena_storage::Database;

use super::{Line, lines};

/// Owners and read models agree.
pub(super) async fn balance(database: &Database) -> anyhow::Result<Vec<Line>> {
    lines(database, QUERY).await
}

const QUERY: &str = "
    with total as (select kind, status, sum(count) as count, sum(amount) as amount
                   from analytics.totals group by 1, 2),
    players as (select count(*) as count, coalesce(sum(total_points), 0) as points from gateway.players),
    ledger as (select status, count(*) as count, sum(amount_minor) as amount from gateway.transactions group by 1),
    matches as (select status, count(*) as count, coalesce(sum(duration_seconds), 0) as seconds
                from match.matches group by 1),
    earned as (select player_id, sum(points) as points from match.match_participants group by 1)
    select 'players: gateway, analytics', (select count from players),
           (select coalesce(sum(count), 0) from total where kind = 'registrations')
    union all
    select 'players: gateway, ranked', (select count from players), (select count(*) from analytics.players)
    union all
    (select 'purchases ' || status || ': gateway, analytics', ledger.count, coalesce(total.count, 0)
     from ledger left join total using (status) where kind = 'transactions' order by 1)
    union all
    (select 'purchases ' || status || ', cents: gateway, analytics', ledger.amount, coalesce(total.amount, 0)
     from ledger left join total using (status) where kind = 'transactions' order by 1)
    union all
    select 'purchases: gateway, analytics', (select coalesce(sum(count), 0) from ledger),
           (select coalesce(sum(count), 0) from total where kind = 'transactions')
    union all
    select 'matches: match, analytics', (select coalesce(sum(count), 0) from matches),
           (select coalesce(sum(count), 0) from total where kind = 'matches' and status = 'started')
    union all
    select 'matches ' || word || ': match, analytics',
           coalesce((select count from matches where status = word), 0),
           coalesce((select count from total where kind = 'matches' and status = word), 0)
    from unnest(array['completed', 'crashed']) word
    union all
    select 'seconds of completed matches: match, analytics',
           coalesce((select seconds from matches where status = 'completed'), 0),
           coalesce((select amount from total where kind = 'matches' and status = 'completed'), 0)
    union all
    select 'points: gateway, match', (select points from players), (select coalesce(sum(points), 0) from earned)
    union all
    select 'points: analytics, match', (select coalesce(sum(points), 0) from analytics.players),
           (select coalesce(sum(points), 0) from earned)
    union all
    select 'points of matches that crashed', coalesce(sum(p.points), 0), 0
    from match.match_participants p join match.matches m on m.id = p.match_id where m.status <> 'completed'
    union all
    select 'players whose points differ between the three', count(*), 0
    from gateway.players g
    left join analytics.players a on a.player_id = g.id
    left join earned e on e.player_id = g.id
    where g.total_points is distinct from a.points or g.total_points <> coalesce(e.points, 0)
    union all
    select 'days that do not add up to the totals', count(*), 0
    from (select kind, type, status, sum(count) as count, sum(amount) as amount
          from analytics.daily_totals group by 1, 2, 3) d
    full join analytics.totals t using (kind, type, status)
    where (d.count, d.amount) is distinct from (t.count::numeric, t.amount::numeric)";
