"""Requests: HTTP by endpoint, what fails of it, and what is turned away at the door."""

from blocks import links
from blocks.panels import Panels, graph, stat, states
from blocks.promql import a_minute, grew, mean, of, own, quantile, rate, share

ROUTE = 'endpoint=~"$endpoint"'
LABELS = ("service", "method", "endpoint")
NAMED = "{{service}} {{method}} {{endpoint}}"
REFUSED_LOGINS = "failed_login_attempts_total"
REFUSED = 'status=~"4.."'
READY = 'app_status="ready"'


def http() -> Panels:
    """Rate, latency, status and size of the chosen routes."""
    deeper = [links.traces(*LABELS), links.logs("service", "endpoint")]
    requests = of("http_requests_total", ROUTE)
    seconds = of("http_request_duration_seconds_bucket", ROUTE)
    return [
        graph(
            "Request rate",
            "Answered requests a second, by route.",
            "reqps",
            (f"{rate(requests, *LABELS)} > 0", NAMED),
            links=deeper,
        ),
        graph(
            "Latency p95",
            "95 of 100 requests to the route were answered at least as fast. The dots are single requests.",
            "s",
            (f"{quantile(0.95, seconds, *LABELS)} >= 0", NAMED),
            alert="HighLatency",
            exemplars=True,
            links=deeper,
        ),
        graph(
            "Latency of everything chosen",
            "Median, p95, p99 and the average of the chosen routes together.",
            "s",
            (quantile(0.5, seconds), "p50"),
            (quantile(0.95, seconds), "p95"),
            (quantile(0.99, seconds), "p99"),
            (mean("http_request_duration_seconds", ROUTE), "average"),
            exemplars=True,
        ),
        graph(
            "Status codes",
            "Answers a second by status; 499 are clients that gave up first.",
            "reqps",
            (f"{rate(requests, 'status')} > 0", "{{status}}"),
            stacked=True,
        ),
        graph(
            "In progress",
            "Requests that are being worked on.",
            "short",
            (f"sum by (service) ({of('http_requests_in_progress', ROUTE)})", "{{service}}"),
            width=8,
        ),
        graph(
            "Request size p95",
            "Bodies of requests, as declared.",
            "bytes",
            (quantile(0.95, of("http_request_size_bytes_bucket", ROUTE), "service"), "{{service}}"),
            width=8,
        ),
        graph(
            "Response size p95",
            "Bodies of answers, without those that are streamed.",
            "bytes",
            (quantile(0.95, of("http_response_size_bytes_bucket", ROUTE), "service"), "{{service}}"),
            width=8,
        ),
    ]


def errors() -> Panels:
    """What fails, by route and by kind."""
    requests = of("http_requests_total", ROUTE)
    failed = of("http_requests_total", ROUTE, 'status=~"5.."')
    return [
        graph(
            "Server errors by endpoint",
            "Share of the route's answers with 5xx.",
            "percentunit",
            (share(rate(failed, *LABELS), rate(requests, *LABELS)), NAMED),
            ("0 * " + rate(requests), "none"),
            alert="HighErrorRate",
            width=8,
            links=[links.traces(*LABELS), links.logs("service", "endpoint")],
        ),
        graph(
            "Refusals by endpoint and status",
            "Answers a second with 4xx.",
            "reqps",
            (
                f"{rate(of('http_requests_total', ROUTE, REFUSED), 'service', 'endpoint', 'status')} > 0",
                "{{service}} {{endpoint}} {{status}}",
            ),
            width=8,
            links=[links.logs("service", "endpoint")],
        ),
        graph(
            "Failures by kind",
            "Failures a minute that were the platform's fault, by kind and by how bad that is.",
            "cpm",
            (
                a_minute(of("app_errors_total"), "service", "error_type", "severity"),
                "{{service}} {{error_type}} {{severity}}",
            ),
            width=8,
            links=[links.logs("service")],
        ),
        stat(
            "Panics",
            "Each ended a request or a task, in the chosen time. Look for it in the log.",
            "short",
            grew(of("app_panics_total")),
            alert="Panics",
            instant=True,
            decimals=0,
            links=[links.logs(chosen=True)],
        ),
        states(
            "Ready",
            "Whether each service says that it is ready: its own database answers and it does not drain.",
            f"min by (service) ({of('app_status', READY)})",
            "{{service}}",
            width=20,
        ),
    ]


def doors() -> Panels:
    """What is refused before it is work."""
    accepted = grew(own("player_logins_total"), window="5m")
    return [
        graph(
            "Refused log-ins",
            "A minute, by reason.",
            "cpm",
            (a_minute(own("failed_login_attempts_total"), "reason"), "{{reason}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "Refused credentials",
            "Access tokens and service keys a minute that were refused, by reason, and refresh tokens that came again.",
            "cpm",
            (a_minute(of("credential_refusals_total"), "service", "reason"), "{{service}} {{reason}}"),
            (a_minute(own("refresh_token_reuse_total")), "refresh token reused"),
            width=8,
        ),
        graph(
            "Throttled",
            "Requests a minute that came too fast, by limit.",
            "cpm",
            (a_minute(of("throttled_requests_total"), "service", "limit"), "{{service}} {{limit}}"),
            width=8,
        ),
        graph(
            "Share of refused log-ins",
            "Of those of five minutes.",
            "percentunit",
            (
                share(
                    grew(own(REFUSED_LOGINS), window="5m"), f"({accepted} + {grew(own(REFUSED_LOGINS), window='5m')})"
                ),
                "refused",
            ),
            alert="LoginFailureSpike",
        ),
        graph(
            "Shed",
            "Requests a second that were turned away at once, because as many as allowed were being served or waiting.",
            "reqps",
            (rate(of("requests_shed_total"), "service"), "{{service}}"),
            alert="RequestsShed",
        ),
        graph(
            "TLS",
            "Handshakes a minute that came to nothing, by reason, and certificate files that were read again.",
            "cpm",
            (a_minute(of("tls_handshake_failures_total"), "service", "reason"), "{{service}} {{reason}}"),
            (a_minute(of("tls_reloads_total"), "service", "outcome"), "{{service}} read again: {{outcome}}"),
            width=20,
        ),
        stat(
            "Certificate left",
            "Time until the first certificate expires.",
            "dtdurations",
            f"min({of('tls_certificate_expiry_seconds')}) - time()",
            alert="CertificateExpiring",
        ),
    ]
