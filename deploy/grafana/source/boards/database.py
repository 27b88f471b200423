"""Database: PostgreSQL from the inside, as postgres_exporter sees it."""

from blocks import links
from blocks.board import Board
from blocks.panels import Panels, bars, graph, stat, table
from blocks.promql import a_minute, grew, own, rate, share

# The canary is ready whatever the database does: it has none.
READY = 'app_status="ready",service!="canary"'
TABLE = "{{schema}}.{{table}}"
GAME = 'datname!~"template.*|postgres"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-database",
        "Database",
        "Connections, transactions, cache, locks, tables and disk of PostgreSQL. Our side of it is in depth.",
    )
    made.row("Now", *_now())
    made.row("Work", *_work())
    made.row("Tables and disk", *_tables())
    return made.row("Write-ahead log and checkpoints", *_wal())


def _hits() -> str:
    hit = rate(own("pg_stat_database_blks_hit", GAME))
    return share(hit, f"({hit} + {rate(own('pg_stat_database_blks_read', GAME))})")


def _used() -> str:
    used = f"sum({own('pg_stat_activity_count')})"
    return f"{used} / min({own('pg_settings_max_connections')})"


def _now() -> Panels:
    return [
        stat(
            "Services with a database",
            "Whose database answers. Without any the database is down.",
            "none",
            f"sum({own('app_status', READY)})",
            alert="DatabaseDown",
        ),
        stat(
            "Connections in use",
            "Share of the server's connections.",
            "percentunit",
            _used(),
            alert="ServerConnectionsHigh",
            links=[links.in_depth()],
        ),
        stat("Commits", "Committed a second.", "ops", rate(own("pg_stat_database_xact_commit", GAME))),
        stat("Cache hits now", "Share of the blocks that were in memory.", "percentunit", _hits()),
        stat("Size", "Of the game's database.", "bytes", f"sum({own('pg_database_size_bytes', GAME)})"),
        stat(
            "Longest transaction",
            "That runs now.",
            "s",
            f"max({own('pg_stat_activity_max_tx_duration', GAME)})",
        ),
    ]


def _work() -> Panels:
    changes = "pg_stat_database_tup"
    return [
        graph(
            "Transactions",
            "Committed and rolled back a second.",
            "ops",
            (rate(own("pg_stat_database_xact_commit", GAME)), "committed"),
            (rate(own("pg_stat_database_xact_rollback", GAME)), "rolled back"),
            width=8,
        ),
        graph(
            "Rows",
            "Rows a second that statements touched.",
            "ops",
            (rate(own(f"{changes}_fetched", GAME)), "fetched"),
            (rate(own(f"{changes}_inserted", GAME)), "inserted"),
            (rate(own(f"{changes}_updated", GAME)), "updated"),
            (rate(own(f"{changes}_deleted", GAME)), "deleted"),
            width=8,
        ),
        graph(
            "Connections by state",
            "Many idle in transaction hold locks and keep old rows alive.",
            "short",
            (f"sum by (state) ({own('pg_stat_activity_count', GAME)})", "{{state}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "Cache hits",
            "Share of the blocks that were in memory.",
            "percentunit",
            (_hits(), "hits"),
            minimum=None,
            width=8,
        ),
        graph(
            "Locks",
            "Held now, by mode; and sessions that wait for one.",
            "short",
            (f"sum by (mode) ({own('pg_locks_count', GAME)}) > 0", "{{mode}}"),
            (f"sum({own('pg_lock_waits_count')})", "waiting"),
            width=8,
        ),
        graph(
            "Conflicts and deadlocks",
            "A minute.",
            "cpm",
            (a_minute(own("pg_stat_database_deadlocks", GAME)), "deadlocks"),
            (a_minute(own("pg_stat_database_conflicts", GAME)), "conflicts"),
            width=8,
        ),
        graph(
            "Temporary files",
            "Bytes a second that sorts and joins spilled to disk.",
            "Bps",
            (rate(own("pg_stat_database_temp_bytes", GAME)), "spilled"),
            width=8,
        ),
        graph(
            "What runs long",
            "The oldest statement that runs, the oldest transaction, and the oldest wait for a lock.",
            "s",
            (f"max({own('pg_queries_running_longest_seconds', GAME)}) or vector(0)", "statement"),
            (f"max({own('pg_stat_activity_max_tx_duration', GAME)})", "transaction"),
            (f"max({own('pg_lock_waits_longest_seconds')})", "wait for a lock"),
            width=8,
        ),
        graph(
            "Replication lag",
            "How far behind its primary this server is; 0 on the primary itself.",
            "s",
            (f"max by (instance) ({own('pg_replication_lag_seconds')})", "{{instance}}"),
            alert="ReplicationLag",
            width=8,
        ),
    ]


def _tables() -> Panels:
    def by_table(metric: str) -> str:
        return f"sum by (schema, table) ({own(f'pg_relation_{metric}')})"

    spent = "pg_stat_statements_seconds_total"
    return [
        graph(
            "Size and where it leads",
            "Size now, and in 30 days if it grows as in the last six hours.",
            "bytes",
            (f"sum({own('pg_database_size_bytes', GAME)})", "now"),
            (f"max({own('database_size_bytes')})", "now, as the services see it"),
            (f"sum(predict_linear({own('pg_database_size_bytes', GAME)}[6h], 30 * 86400))", "in 30 days"),
            width=8,
        ),
        bars("Largest tables", "With all their partitions.", "bytes", f"topk(10, {by_table('table_bytes')})", TABLE),
        bars("Largest indexes", "All of a table together.", "bytes", f"topk(10, {by_table('index_bytes')})", TABLE),
        table(
            "Rows by table",
            "Rows that live, and rows that wait for vacuum.",
            "short",
            [("Live", f"{by_table('live_rows')} > 0"), ("Dead", f"{by_table('dead_rows')} > 0")],
        ),
        table(
            "Where the time went",
            "Statements by their id in pg_stat_statements: seconds and calls in the chosen time. `select query from "
            "pg_stat_statements where queryid = …` has the text.",
            "short",
            [
                ("Seconds", f"topk(15, {grew(own(spent, GAME), 'queryid')})"),
                ("Calls", f"topk(15, {grew(own('pg_stat_statements_calls_total', GAME), 'queryid')})"),
            ],
        ),
    ]


def _wal() -> Panels:
    # PostgreSQL 17 moved the checkpointer's counters out of pg_stat_bgwriter.
    timed = f"({own('pg_stat_checkpointer_num_timed_total')} or {own('pg_stat_bgwriter_checkpoints_timed_total')})"
    asked = f"({own('pg_stat_checkpointer_num_requested_total')} or {own('pg_stat_bgwriter_checkpoints_req_total')})"
    return [
        graph(
            "Checkpoints",
            "Since the server began: on time, and because the log was full. The latter should stay rare.",
            "short",
            (f"sum({timed})", "on time"),
            (f"sum({asked})", "asked for"),
            width=8,
        ),
        graph(
            "Write-ahead log",
            "On disk.",
            "bytes",
            (f"sum({own('pg_wal_size_bytes')})", "size"),
            width=8,
        ),
        graph(
            "The exporter",
            "Time of its collectors.",
            "s",
            (f"max by (collector) ({own('pg_scrape_collector_duration_seconds')})", "{{collector}}"),
            width=8,
        ),
    ]
