//! The invariants against small books in a real database: they hold for honest books, and each way to cook them is found.

use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};

use super::{Finding, Line, books, lines, log, rest, truth};
use crate::prove::traffic::{Books, Check, Total};
use crate::roles::migrators;

/// Two players who each logged in, one match that one of them won and one that crashed, one purchase.
const HONEST: &str = r#"
    insert into gateway.players (username, email, level, tier, region, total_points)
    values ('ada', '', 1, 'free', '', 60), ('bob', '', 1, 'free', '', 10);
    insert into gateway.transactions (player_id, item_type, item_name, amount_minor, status)
    values (1, 'skin', 'Ice Crown', 2499, 'completed');
    insert into gateway.outbox (kind, payload) values
      ('player_registered', '{"player_id":1}'), ('player_registered', '{"player_id":2}'),
      ('player_logged_in', '{"player_id":1}'), ('player_logged_in', '{"player_id":2}'),
      ('transaction_recorded', '{"transaction_id":1}');
    insert into match.matches (match_type, status, server_region, end_time, winner_id, duration_seconds)
    values ('solo', 'completed', 'asia', now(), 1, 20), ('solo', 'crashed', 'asia', now(), null, 3);
    insert into match.match_participants (match_id, player_id, points) values (1, 1, 60), (1, 2, 10), (2, 1, 0);
    insert into match.outbox (kind, payload) values
      ('match_started', '{"match_id":1}'), ('match_started', '{"match_id":2}'),
      ('match_completed', '{"match_id":1}'), ('match_crashed', '{"match_id":2}');
    insert into analytics.system_events (log_offset, source, event_type, severity, message, metadata, occurred_at)
    select row_number() over (order by source, seq), source, kind, 'info', '', payload, created_at
    from (select 'gateway' as source, * from gateway.outbox union all select 'match', * from match.outbox) as told;
    update analytics.log_head set last_offset = 9;
    insert into analytics.sources select 'gateway', 1, max(xid), max(seq) from gateway.outbox;
    insert into analytics.sources select 'match', 1, max(xid), max(seq) from match.outbox;
    insert into analytics.consumers (name, log_offset) values ('read_models', 9);
    insert into gateway.consumers (name, log_offset) values ('gateway_points', 9);
    insert into analytics.totals (kind, type, status, count, amount) values
      ('registrations', '', '', 2, 0), ('logins', '', '', 2, 0), ('log_outs', '', '', 1, 0),
      ('refused_log_ins', '', '', 1, 0), ('transactions', 'skin', 'completed', 1, 2499),
      ('matches', 'solo', 'started', 2, 0), ('matches', 'solo', 'completed', 1, 20), ('matches', 'solo', 'crashed', 1, 0);
    insert into analytics.daily_totals select current_date, * from analytics.totals;
    insert into analytics.players (player_id, username, level, tier, points, last_seen)
    values (1, 'ada', 1, 'free', 60, now()), (2, 'bob', 1, 'free', 10, now());
"#;

/// What the players saw of it; the answer to one more log-in was lost.
fn seen() -> Books {
    let total = |(name, at_least, at_most): (&str, _, _)| Total {
        name: name.to_owned(),
        at_least,
        at_most,
        grown: at_least,
    };
    let totals = [
        ("registrations", 2, 2),
        ("log-ins", 2, 3),
        ("log-outs", 1, 1),
        ("refused log-ins", 1, 1),
        ("solo matches started", 2, 2),
        ("solo matches completed", 1, 1),
        ("solo matches crashed", 1, 1),
        ("skin purchases completed", 1, 1),
        ("skin purchases completed, cents", 2499, 2499),
    ];
    let check = Check { held: true, totals: totals.map(total).into() };
    Books { offered_per_second: 1.0, achieved_per_second: 1.0, not_sent: 0, operations: Vec::new(), check }
}

async fn honest_books() -> Database {
    let url = TestDatabase::create(&migrators().unwrap()).await.url;
    let database = Database::new(&DatabaseSettings::for_url(url), "arena-test").unwrap();
    change(&database, HONEST).await;
    database
}

async fn change(database: &Database, sql: &str) {
    let changed = database.connection().await.unwrap().session().define(sql).await;
    changed.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Names of what does not hold, without the waiting for rest.
async fn broken(database: &Database) -> Vec<&'static str> {
    let findings = [
        Finding::new("log", log::complete(database).await.unwrap()),
        Finding::new("books", books::balance(database).await.unwrap()),
        Finding::new("truth", truth::compare(database, &seen()).await.unwrap()),
        Finding::new("arrives", lines(database, &rest::arrivals(database).await.unwrap()).await.unwrap()),
        Finding::new("stuck", lines(database, rest::STUCK).await.unwrap()),
    ];
    findings.iter().filter(|finding| !finding.holds).map(|finding| finding.invariant).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_books_hold_and_every_cooked_one_is_found() {
    let none: [&str; 0] = [];
    assert_eq!(broken(&honest_books().await).await, none);
    for (sql, expected) in [
        // An event that the log never got, or has twice, or got too early, or that says something else.
        ("delete from analytics.system_events where log_offset = 4", &["log"][..]),
        ("insert into analytics.system_events select 10, source, event_type, severity, message, metadata, occurred_at
          from analytics.system_events where log_offset = 4; update analytics.log_head set last_offset = 10", &["log", "arrives"]),
        ("update analytics.system_events set log_offset = 7 - log_offset where log_offset in (3, 4)", &["log"]),
        ("update analytics.system_events set metadata = '{\"player_id\":9}' where log_offset = 4", &["log"]),
        // A match that ends twice, by the log's own word.
        ("update analytics.system_events set event_type = 'match_crashed', metadata = '{\"match_id\":1}'
          where event_type = 'match_crashed'", &["log"]),
        // A change that was counted twice, or by one side alone.
        ("update analytics.totals set count = count + 1 where kind = 'registrations'", &["books", "truth"]),
        ("update gateway.players set total_points = total_points + 60 where id = 1", &["books"]),
        ("update analytics.players set points = points - 1 where player_id = 2", &["books"]),
        ("update gateway.transactions set amount_minor = 999", &["books"]),
        ("insert into gateway.transactions (player_id, item_type, item_name, amount_minor, status)
          values (2, 'skin', 'Ice Crown', 2499, 'failed')", &["books"]),
        // A log-in that nobody made: one may have been lost, two not.
        ("update analytics.totals set count = 4 where kind = 'logins';
          update analytics.daily_totals set count = 4 where kind = 'logins'", &["truth"]),
        ("insert into analytics.totals values ('matches', 'team', 'started', 1, 0);
          insert into analytics.daily_totals values (current_date, 'matches', 'team', 'started', 1, 0);
          insert into match.matches (match_type, server_region) values ('team', 'asia')", &["truth", "stuck"]),
        // Events that do not go on.
        ("insert into match.outbox (kind, payload) values ('match_started', '{\"match_id\":3}')", &["log", "arrives"]),
        ("update gateway.consumers set log_offset = 8", &["arrives"]),
        ("insert into gateway.dead_letters (queue, position, kind, payload, occurred_at, error)
          values ('outbox', '1', 'player_logged_in', '{}', now(), 'no')", &["arrives"]),
    ] {
        let database = honest_books().await;
        change(&database, sql).await;
        assert_eq!(broken(&database).await, expected, "{sql}");
    }
}

#[test]
fn one_wrong_number_fails_the_invariant_and_is_marked() {
    let within = Line { what: "log-ins".into(), found: 7, at_least: 5, at_most: 9 };
    let finding = Finding::new("it adds up", vec![within.clone(), Line::equal("matches", 3, 4)]);
    assert!(!finding.holds);
    let marked: Vec<_> = finding.to_string().lines().map(|line| line.contains("FAILS")).collect();
    assert_eq!(marked, [true, false, true]);
    assert!(Finding::new("it adds up", vec![within]).holds);
}
