"""Logs: what the services write, from Loki; with Jaeger beside it, a line leads to its trace."""

from blocks import variables
from blocks.board import Board
from blocks.panels import Panels, bars, log_graph, log_lines, note
from blocks.promql import grew, of
from grafana_foundation_sdk.builders import dashboard as build

STREAM = '{service=~"$service"}'
LINES = f'{STREAM} |~ "(?i)$search"'
FIELDS = 'json endpoint="endpoint", message="message", status_code="status_code"'
PARSED = f'{LINES} | {FIELDS} | endpoint=~"$endpoint"'
ERRORS = f'{{service=~"$service", level="error"}} |~ "(?i)$search" | {FIELDS} | endpoint=~"$endpoint"'


def board() -> Board:
    """The dashboard."""
    search = build.TextBoxVariable("search").label("Search (regular expression)").default_value("")
    made = Board(
        "battlearena-logs",
        "Logs",
        "Failures, warnings and requests as the services wrote them. docs/logs.md says what the fields mean.",
        variables=[variables.service(), variables.endpoint(), variables.log_source(), search],
    )
    made.row("How much", *_counts())
    made.row("Failures", *_failures())
    made.row("Lines", *_lines())
    about = (
        "These panels need Loki, which the extended and the Jaeger stack have. In the Jaeger stack a line with a "
        "`trace_id` has a link to its trace, and a span one back to its lines. Without Loki, failures are counted in "
        "`app_errors_total` (below), and the lines are on the standard error of each process: `make logs`."
    )
    counted = bars(
        "Failures as the services count them",
        "The platform's own failures in the chosen time, from Prometheus: each has an ERROR line.",
        "short",
        grew(of("app_errors_total"), "service", "error_type"),
        "{{service}} {{error_type}}",
        width=12,
    )
    return made.row("Without Loki", note("About", "What these panels need.", about, width=12, height=8), counted)


def _counts() -> Panels:
    return [
        log_graph(
            "Lines by level",
            "A second.",
            "cps",
            (f"sum by (level) (rate({LINES} [$__auto]))", "{{level}}"),
        ),
        log_graph(
            "Lines by service",
            "A second.",
            "cps",
            (f"sum by (service) (rate({LINES} [$__auto]))", "{{service}}"),
        ),
    ]


def _failures() -> Panels:
    failed = f'{ERRORS} | message="request failed"'
    return [
        log_graph(
            "Failed requests by endpoint",
            "Lines `request failed`, which are ours to mend, a second.",
            "cps",
            (f"sum by (service, endpoint) (rate({failed} [$__auto]))", "{{service}} {{endpoint}}"),
        ),
        log_graph(
            "Requests by status",
            "Lines of requests that have a status: all of them with the access log, else those that failed.",
            "cps",
            (f'sum by (status_code) (rate({PARSED} | status_code!="" [$__auto]))', "{{status_code}}"),
        ),
    ]


def _lines() -> Panels:
    return [
        log_lines("Errors", "Failures of ours.", ERRORS),
        log_lines("Everything", "All lines of the chosen services that match the search.", PARSED, height=16),
    ]
