"""Browser: what browsers and other clients get from us, seen from the edge, until they report themselves."""

from blocks import links
from blocks.board import Board
from blocks.panels import Panels, bars, graph, note, stat
from blocks.promql import a_minute, grew, or_zero, own, quantile, rate, share

EDGE = 'service="gateway"'
REQUESTS = ("http_requests_total", EDGE)
SECONDS = ("http_request_duration_seconds_bucket", EDGE)
READS = 'method="GET"'
GAVE_UP = 'status="499"'
WRITES = 'method=~"POST|PUT|PATCH|DELETE"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-browser",
        "Browser",
        "API calls of browsers and other clients at the edge. What only the browser knows comes with POST /api/rum.",
    )
    made.row("At the edge", *_now())
    made.row("Calls", *_calls())
    about = (
        "Everything above is counted by the gateway. These panels come with `POST /api/rum`, by which browsers report "
        "what only they can see (`frontend_*`); none of them is drawn before its metric exists:\n\n"
        "- **Loading**: page views, page load, TTFB, FCP, LCP\n"
        "- **Feeling**: INP, CLS, long tasks\n"
        "- **Calls as the page sees them**: API calls, duration, failures\n"
        "- **Faults**: JavaScript errors\n"
        "- **Use**: clicks, form submissions, conversions and their value, sessions and their length, feature use\n"
    )
    return made.row(
        "Not here yet", note("What comes with POST /api/rum", "Panels that wait for their metrics.", about, height=8)
    )


def _now() -> Panels:
    return [
        stat("API calls", "That the gateway answered, a second.", "reqps", rate(own(*REQUESTS))),
        stat(
            "API failures",
            "Share that was answered with 5xx.",
            "percentunit",
            share(rate(own(*REQUESTS, 'status=~"5.."')), rate(own(*REQUESTS))),
            alert="HighErrorRate",
        ),
        stat(
            "API p95",
            "95 of 100 calls were answered at least as fast, without the way to the browser.",
            "s",
            quantile(0.95, own(*SECONDS)),
            alert="HighLatency",
        ),
        stat(
            "Gave up",
            "Calls in the chosen time whose client went away before the answer (499).",
            "short",
            or_zero(grew(own(*REQUESTS, GAVE_UP))),
            instant=True,
            decimals=0,
        ),
        stat(
            "Answer size p95",
            "Bytes of an answer's body.",
            "bytes",
            quantile(0.95, own("http_response_size_bytes_bucket", EDGE)),
        ),
        stat(
            "In progress", "Calls that are being worked on.", "short", f"sum({own('http_requests_in_progress', EDGE)})"
        ),
    ]


def _calls() -> Panels:
    read = own(*SECONDS, READS)
    written = own(*SECONDS, WRITES)
    return [
        graph(
            "Calls by answer",
            "A minute, by status.",
            "cpm",
            (f"{a_minute(own(*REQUESTS), 'status')} > 0", "{{status}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "Latency of reads and writes, p95",
            "GET, and what changes something.",
            "s",
            (quantile(0.95, read), "reads"),
            (quantile(0.95, written), "writes"),
            exemplars=True,
            width=8,
            links=[links.in_depth(service="gateway")],
        ),
        bars(
            "Slowest endpoints, p95",
            "In the chosen time.",
            "s",
            f"topk(10, {quantile(0.95, own(*SECONDS), 'endpoint', window='$__range')} >= 0)",
            "{{endpoint}}",
            links=[links.to_dashboard("In depth", "battlearena-in-depth", "endpoint", service="gateway")],
        ),
        graph(
            "Page and contract",
            "Calls a minute of the pages that the gateway serves itself.",
            "cpm",
            (a_minute(own(*REQUESTS, 'endpoint=~"/|/docs.*|/openapi.json"'), "endpoint"), "{{endpoint}}"),
            width=12,
        ),
        graph(
            "Bytes",
            "Bodies of answers and of requests a second.",
            "Bps",
            (rate(own("http_response_size_bytes_sum", EDGE)), "answers"),
            (rate(own("http_request_size_bytes_sum", EDGE)), "requests"),
            width=12,
        ),
    ]
