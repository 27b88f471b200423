"""System overview: how the platform is, on one screen; every panel leads to the one that explains it."""

from blocks import links, variables
from blocks.board import Board
from blocks.panels import Panels, bars, graph, stat, states, table
from blocks.promql import a_minute, grew, of, or_zero, own, quantile, rate, share

REQUESTS = "http_requests_total"
LATENCY = "http_request_duration_seconds_bucket"
FAILED = 'status=~"5.."'
REFUSED = 'status=~"4.."'
AVAILABILITY = 'sloth_id="gateway-availability"'
OURS = 'job="battlearena"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-overview",
        "Overview",
        "Who plays, how fast we answer, what fails and what it earns. Click a series to go into depth.",
        variables=[variables.service()],
    )
    made.row("Now", *_now())
    made.row("Business", *_business())
    made.row("Requests", *_requests())
    made.row("Game", *_game())
    return made.row("Health", *_health())


def _now() -> Panels:
    crashed = grew(own("matches_total", 'status="crashed"'))
    ended = grew(own("matches_total", 'status=~"completed|crashed"'))
    return [
        stat(
            "Players now",
            "Players seen in the last five minutes: by log-in, match, purchase or socket.",
            "short",
            f"sum({own('active_players_count')})",
            links=[links.to_dashboard("Business", "battlearena-business")],
        ),
        stat(
            "Request rate",
            "HTTP requests a second that were answered, by all chosen services. Health and metrics do not count.",
            "reqps",
            rate(of(REQUESTS)),
            links=[links.in_depth(chosen=True)],
        ),
        stat(
            "Server errors",
            "Share of the requests that were answered with 5xx. 4xx are the client's own.",
            "percentunit",
            share(rate(of(REQUESTS, FAILED)), rate(of(REQUESTS))),
            alert="HighErrorRate",
            links=[links.in_depth(chosen=True)],
        ),
        stat(
            "Latency p95",
            "95 of 100 requests were answered at least as fast.",
            "s",
            quantile(0.95, of(LATENCY)),
            alert="HighLatency",
            links=[links.in_depth(chosen=True)],
        ),
        stat(
            "Matches in progress",
            "Matches that have started and not ended.",
            "short",
            f"sum({own('matches_in_progress')})",
            links=[links.to_dashboard("Matchmaking", "battlearena-matchmaking")],
        ),
        stat(
            "Crash rate",
            "Share of the matches that ended in the chosen time without a result.",
            "percentunit",
            share(crashed, ended),
            alert="MatchCrashRateHigh",
            links=[links.to_dashboard("Matchmaking", "battlearena-matchmaking")],
        ),
    ]


def _business() -> Panels:
    bought = own("transactions_total", 'status=~"completed|failed"')
    business = [links.to_dashboard("Business", "battlearena-business")]
    return [
        stat(
            "Revenue",
            "Completed purchases in the chosen time.",
            "currencyUSD",
            grew(own("revenue_total_usd")),
            instant=True,
            decimals=2,
            links=business,
        ),
        stat(
            "Registered today",
            "Accounts that were made since midnight (UTC).",
            "short",
            grew(own("player_registrations_total")),
            instant=True,
            since="now/d",
            decimals=0,
            links=business,
        ),
        stat(
            "Failed payments",
            "Share of the purchases in the chosen time that were declined.",
            "percentunit",
            share(grew(own("transactions_total", 'status="failed"')), grew(bought)),
            alert="PaymentFailureRateHigh",
            links=business,
        ),
        stat(
            "Starts a minute",
            "Matches that were started.",
            "cpm",
            a_minute(own("matches_total", 'status="started"')),
            links=[links.to_dashboard("Matchmaking", "battlearena-matchmaking")],
        ),
        stat(
            "Players with a socket",
            "Distinct players with an open socket.",
            "short",
            f"sum({own('active_users')})",
            links=[links.to_dashboard("Realtime", "battlearena-realtime")],
        ),
        stat(
            "Error budget left",
            "What is left of the 30 days' error budget of the gateway's availability.",
            "percentunit",
            f"min({own('slo:period_error_budget_remaining:ratio', AVAILABILITY)})",
            links=[links.to_dashboard("SLO", "battlearena-slo")],
        ),
    ]


def _requests() -> Panels:
    by_service = [links.in_depth("service"), links.logs("service")]
    return [
        graph(
            "Request rate by service",
            "Answered HTTP requests a second.",
            "reqps",
            (rate(of(REQUESTS), "service"), "{{service}}"),
            links=by_service,
        ),
        graph(
            "Latency",
            "Time from the head of a request to the head of its answer. Dots are requests: click one for its trace.",
            "s",
            (quantile(0.5, of(LATENCY)), "p50"),
            (quantile(0.95, of(LATENCY)), "p95"),
            (quantile(0.99, of(LATENCY)), "p99"),
            alert="HighLatency",
            exemplars=True,
            links=[links.in_depth(chosen=True)],
        ),
        graph(
            "Refused and failed requests",
            "Answers a second with 4xx, which are the client's mistakes, and with 5xx, which are ours.",
            "reqps",
            (or_zero(rate(of(REQUESTS, REFUSED))), "4xx"),
            (or_zero(rate(of(REQUESTS, FAILED))), "5xx"),
            links=[links.in_depth(chosen=True), links.logs(chosen=True)],
        ),
        bars(
            "Most used endpoints",
            "Requests by route in the chosen time.",
            "short",
            f"topk(10, {grew(of(REQUESTS), 'service', 'method', 'endpoint')} > 0)",
            "{{service}} {{method}} {{endpoint}}",
            width=12,
            links=[links.in_depth("service", "endpoint"), links.traces("service", "method", "endpoint")],
        ),
    ]


def _game() -> Panels:
    return [
        graph(
            "Players",
            "Seen in the last five minutes, and those of them with an open socket.",
            "short",
            (f"sum({own('active_players_count')})", "seen"),
            (f"sum({own('active_users')})", "with a socket"),
            width=8,
        ),
        graph(
            "Matches a minute",
            "By what happened to them: a match counts at its start and again at its end.",
            "cpm",
            (a_minute(own("matches_total"), "status"), "{{status}}"),
            width=8,
            links=[links.to_dashboard("Matchmaking", "battlearena-matchmaking")],
        ),
        graph(
            "Revenue an hour",
            "Completed purchases of the last hour, by item type.",
            "currencyUSD",
            (grew(own("revenue_total_usd"), "item_type", window="1h"), "{{item_type}}"),
            stacked=True,
            width=8,
            links=[links.to_dashboard("Business", "battlearena-business")],
        ),
    ]


def _health() -> Panels:
    checks = "canary_checks_total"
    return [
        states(
            "Services",
            "Whether a replica of each service answers its scrapes.",
            f"max by (service) ({own('up', OURS)})",
            "{{service}}",
            width=8,
        ),
        table(
            "Alerts",
            "What fires now. Watchdog always does: it shows that alerting works.",
            "none",
            [("Firing", 'sum by (alertname, severity, service) (ALERTS{alertstate="firing"})')],
            width=8,
        ),
        graph(
            "Synthetic player",
            "Checks a minute of the canary, which logs in, plays and chats from outside, by outcome.",
            "cpm",
            (a_minute(own(checks), "check", "outcome"), "{{check}} {{outcome}}"),
            width=8,
            links=[links.to_dashboard("SLO", "battlearena-slo")],
        ),
    ]
