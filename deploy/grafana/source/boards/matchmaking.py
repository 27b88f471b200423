"""Matchmaking and matches: how they start, how long they last, how they end, and which do not."""

from blocks import links
from blocks.board import Board
from blocks.panels import Panels, bars, graph, note, stat, table
from blocks.promql import RANGE, a_minute, grew, own, quantile, rate, share

ENDED = 'status=~"completed|crashed"'
CRASHED = 'status="crashed"'
STARTED = 'status="started"'
START = ('service="gateway"', 'endpoint="/api/matches/start"')
SECONDS = "http_request_duration_seconds_bucket"
CALL = ('service="match"', 'grpc_method="StartMatch"')
LASTED = "match_duration_seconds_bucket"


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-matchmaking",
        "Matchmaking",
        "Starts, running matches, how long they last and how they end.",
    )
    made.row("Now", *_now())
    made.row("Starts", *_starts())
    made.row("Matches", *_matches())
    about = (
        "Players ask for a match with `POST /api/matches/start` and name who plays. **Who is stuck** is therefore who "
        "waits for that answer (*Waiting for a start*) and whose match does not end (*Started and not ended*). Tickets "
        "that wait for opponents do not exist yet: how many are open, the oldest, the wait and the quality of a match "
        "come with them."
    )
    return made.row("About", note("What is not here yet", "What these panels show, and what they cannot.", about))


def _now() -> Panels:
    return [
        stat("In progress now", "Started and not ended.", "short", f"sum({own('matches_in_progress')})"),
        stat("Starts a minute", "Matches that were started.", "cpm", a_minute(own("matches_total", STARTED))),
        stat(
            "Start p95",
            "Time from the request to start a match to its answer.",
            "s",
            quantile(0.95, own(SECONDS, *START)),
        ),
        stat(
            "Crash rate",
            "Share of the matches that ended in the chosen time without a result.",
            "percentunit",
            share(grew(own("matches_total", CRASHED)), grew(own("matches_total", ENDED))),
            alert="MatchCrashRateHigh",
            instant=True,
        ),
        stat(
            "Crashed",
            "Matches that ended in the chosen time without a result.",
            "short",
            grew(own("matches_crashed_total")),
            instant=True,
            decimals=0,
        ),
        stat(
            "Started and not ended",
            "Matches that were started in the chosen time, less those that ended in it: near those in progress.",
            "short",
            f"{grew(own('matches_total', STARTED))} - {grew(own('matches_total', ENDED))}",
            instant=True,
            decimals=0,
        ),
    ]


def _starts() -> Panels:
    waiting = own("http_requests_in_progress", *START)
    fast = own(SECONDS, *START, 'le="0.25"')
    every = own("http_request_duration_seconds_count", *START)
    return [
        graph(
            "Starts a minute by type",
            "Matches that were started.",
            "cpm",
            (a_minute(own("matches_total", STARTED), "match_type"), "{{match_type}}"),
            stacked=True,
        ),
        graph(
            "Time to a start",
            "As players see it, at the gateway; and the match service's part of it.",
            "s",
            (quantile(0.5, own(SECONDS, *START)), "gateway p50"),
            (quantile(0.95, own(SECONDS, *START)), "gateway p95"),
            (quantile(0.99, own(SECONDS, *START)), "gateway p99"),
            (quantile(0.95, own("grpc_server_handling_seconds_bucket", *CALL)), "match service p95"),
            exemplars=True,
            links=[links.logs(service="match")],
        ),
        graph(
            "Waiting for a start",
            "Requests to start a match that have no answer yet.",
            "short",
            (f"sum({waiting})", "waiting"),
            width=8,
        ),
        graph(
            "Started within 250 ms",
            "Share of the starts: the objective is 99 %.",
            "percentunit",
            (share(rate(fast), rate(every)), "in time"),
            minimum=None,
            width=8,
            links=[links.to_dashboard("SLO", "battlearena-slo")],
        ),
        graph(
            "Answers to starts",
            "A minute, by status.",
            "cpm",
            (f"{a_minute(own('http_requests_total', *START), 'status')} > 0", "{{status}}"),
            width=8,
        ),
    ]


def _matches() -> Panels:
    return [
        graph(
            "Ends a minute",
            "By how the matches ended.",
            "cpm",
            (a_minute(own("matches_total", ENDED), "status"), "{{status}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "Crash rate by type",
            "Share of the ended matches that had no result.",
            "percentunit",
            (
                share(
                    rate(own("matches_total", CRASHED), "match_type"), rate(own("matches_total", ENDED), "match_type")
                ),
                "{{match_type}}",
            ),
            alert="MatchCrashRateHigh",
            width=8,
        ),
        graph(
            "Length of matches",
            "Play time of completed matches: the median and the longest of 100, by type.",
            "s",
            (f"{quantile(0.5, own(LASTED), 'match_type')} >= 0", "{{match_type}} p50"),
            (f"{quantile(0.99, own(LASTED), 'match_type')} >= 0", "{{match_type}} p99"),
            width=8,
        ),
        graph(
            "In progress",
            "Counted from the rows of the matches, so that it falls again.",
            "short",
            (f"sum({own('matches_in_progress')})", "now"),
            (f"max(max_over_time({own('matches_in_progress')}[{RANGE}]))", "most in the chosen time"),
            width=8,
        ),
        bars(
            "Matches by type",
            "Started in the chosen time.",
            "short",
            grew(own("matches_total", STARTED), "match_type"),
            "{{match_type}}",
        ),
        table(
            "Matches by type and status",
            "In the chosen time; a match counts at its start and again at its end.",
            "short",
            [("Matches", grew(own("matches_total"), "match_type", "status"))],
            width=8,
        ),
    ]
