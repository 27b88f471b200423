"""The stack itself: who watches Prometheus, Alertmanager and the rest of the telemetry."""

from blocks.board import Board
from blocks.panels import Panels, bars, graph, stat, states, table
from blocks.promql import a_minute, grew, or_zero, own, rate, share

OURS = 'job="battlearena"'
SLOWEST = 'quantile="0.99"'
LOADED = "_config_last_reload_successful"
STACK = 'job!="battlearena"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-stack",
        "Monitoring stack",
        "Targets, rules, notifications and storage of the monitoring itself, and what it costs.",
    )
    made.row("Now", *_now())
    made.row("Scrapes and rules", *_prometheus())
    made.row("Alertmanager", *_alertmanager())
    made.row("What our services lose", *_ours())
    return made.row("Logs, traces and long-term storage", *_extended())


# What is optional counts when it was there within a day, as in the alert.
UP = own("up", 'job!="optional"')
OPTIONAL = own("up", 'job="optional"')
ANSWERS = f"min({UP} or ({OPTIONAL} and max_over_time({OPTIONAL}[1d]) == 1))"


def _now() -> Panels:
    return [
        stat("All targets answer", "1 when they do.", "none", ANSWERS, alert="TargetMissing"),
        stat("Series", "In memory.", "short", f"sum({own('prometheus_tsdb_head_series')})"),
        stat("Samples", "Stored a second.", "cps", rate(own("prometheus_tsdb_head_samples_appended_total"))),
        stat(
            "Failing rules",
            "Evaluations that failed in the chosen time.",
            "short",
            grew(own("prometheus_rule_evaluation_failures_total")),
            alert="RuleFailures",
            instant=True,
            decimals=0,
        ),
        stat(
            "Failed notifications",
            "That Alertmanager could not deliver, in the chosen time.",
            "short",
            grew(own("alertmanager_notifications_failed_total")),
            alert="NotificationsFailing",
            instant=True,
            decimals=0,
        ),
        stat(
            "Configuration",
            "1 when Prometheus and Alertmanager run what their files say.",
            "none",
            f"min({own('prometheus' + LOADED)} or {own('alertmanager' + LOADED)})",
            alert="ConfigReloadFailed",
        ),
    ]


def _prometheus() -> Panels:
    return [
        states(
            "Targets",
            "Whether each answers its scrapes.",
            f"min by (job, service) ({own('up')})",
            "{{job}} {{service}}",
            width=8,
        ),
        graph(
            "Time of a scrape",
            "The slowest of each job.",
            "s",
            (f"max by (job) ({own('scrape_duration_seconds')})", "{{job}}"),
            width=8,
        ),
        graph(
            "Samples of a scrape",
            "How much each target tells.",
            "short",
            (f"sum by (job, service) ({own('scrape_samples_scraped')})", "{{job}} {{service}}"),
            width=8,
        ),
        graph(
            "Rules that are slow",
            "Time of the last evaluation of a group, of the interval between two.",
            "percentunit",
            (
                f"topk(10, {own('prometheus_rule_group_last_duration_seconds')}"
                f" / {own('prometheus_rule_group_interval_seconds')})",
                "{{rule_group}}",
            ),
            alert="RulesSlow",
            width=8,
        ),
        graph(
            "Missed evaluations",
            "A minute, because one before it was not done.",
            "cpm",
            (a_minute(own("prometheus_rule_group_iterations_missed_total")), "missed"),
            width=8,
        ),
        graph(
            "Time of a query",
            "The slowest of 100, by part.",
            "s",
            (f"max by (slice) ({own('prometheus_engine_query_duration_seconds', SLOWEST)})", "{{slice}}"),
            width=8,
        ),
        graph(
            "Memory",
            "Resident, of each part of the stack.",
            "bytes",
            (f"sum by (service) ({own('process_resident_memory_bytes', STACK)})", "{{service}}"),
            width=8,
        ),
        graph(
            "CPU",
            "Processor seconds a second.",
            "short",
            (rate(own("process_cpu_seconds_total", STACK), "service"), "{{service}}"),
            width=8,
        ),
        graph(
            "Storage",
            "Blocks of Prometheus on disk; what is newer is in its log.",
            "bytes",
            (f"sum({own('prometheus_tsdb_storage_blocks_bytes')})", "blocks"),
            width=8,
        ),
    ]


def _alertmanager() -> Panels:
    return [
        table(
            "Alerts",
            "What fires or is about to.",
            "none",
            [("Alerts", "sum by (alertname, alertstate, severity, service) (ALERTS)")],
            width=8,
        ),
        graph(
            "Notifications",
            "A minute, by the way they take.",
            "cpm",
            (a_minute(own("alertmanager_notifications_total"), "integration"), "{{integration}}"),
            (a_minute(own("alertmanager_notifications_failed_total"), "integration"), "{{integration}} failed"),
            width=8,
        ),
        graph(
            "Alerts that Alertmanager holds",
            "By state; those that Prometheus could not hand over are dropped.",
            "short",
            (f"sum by (state) ({own('alertmanager_alerts')})", "{{state}}"),
            (grew(own("prometheus_notifications_dropped_total")), "dropped"),
            width=8,
        ),
    ]


def _ours() -> Panels:
    lost = grew(own("telemetry_spans_dropped_total"), window="5m")
    return [
        graph(
            "Spans",
            "A second: what the collector took, and what never reached it.",
            "cps",
            (rate(own("telemetry_spans_exported_total"), "service"), "{{service}} exported"),
            (rate(own("telemetry_spans_dropped_total"), "service"), "{{service}} dropped"),
            width=8,
        ),
        graph(
            "Spans that were lost",
            "Share of the finished ones that never reached the collector, in five minutes.",
            "percentunit",
            (or_zero(share(lost, f"({lost} + {grew(own('telemetry_spans_exported_total'), window='5m')})")), "lost"),
            alert="SpansDropped",
            nth=1,
            width=8,
        ),
        graph(
            "Series that were not admitted",
            "In the last hour, since their metric has too many.",
            "short",
            (grew(own("telemetry_metric_overflow_total"), "service", window="1h"), "{{service}}"),
            alert="MetricOverflow",
            width=8,
        ),
        bars(
            "Series by service",
            "How many each service shows.",
            "short",
            f"sum by (service) ({own('scrape_samples_post_metric_relabeling', OURS)})",
            "{{service}}",
            width=12,
        ),
        graph(
            "Running since",
            "Time since the start of each process.",
            "s",
            (f"min by (service) ({own('app_uptime_seconds')})", "{{service}}"),
            width=12,
        ),
    ]


def _collected(counter: str) -> str:
    """A counter of the OpenTelemetry collector in Jaeger, whose name ends in `_total` or not, by its configuration."""
    return f"{rate(own(f'{counter}_total'))} or {rate(own(counter))}"


def _extended() -> Panels:
    return [
        graph(
            "Loki",
            "Lines a second that came in, and requests that failed.",
            "cps",
            (rate(own("loki_distributor_lines_received_total")), "lines"),
            (rate(own("loki_request_duration_seconds_count", 'status_code=~"5.."')), "failed requests"),
            width=8,
        ),
        graph(
            "Lines that Alloy could not deliver",
            "A second.",
            "cps",
            (rate(own("loki_write_dropped_entries_total"), "reason"), "{{reason}}"),
            alert="LogsDropped",
            width=8,
        ),
        graph(
            "Jaeger",
            "Spans a second that came in, and those that were refused.",
            "cps",
            (_collected("otelcol_receiver_accepted_spans"), "accepted"),
            (_collected("otelcol_receiver_refused_spans"), "refused"),
            width=8,
        ),
        graph(
            "Uploads to long-term storage",
            "Blocks a minute that the Thanos sidecar uploaded, and failures.",
            "cpm",
            (a_minute(own("thanos_shipper_uploads_total")), "uploaded"),
            (a_minute(own("thanos_shipper_upload_failures_total")), "failed"),
            width=8,
        ),
        stat(
            "Compaction halted",
            "1 when the Thanos compactor has stopped and needs a person.",
            "none",
            f"max({own('thanos_compact_halted')})",
            alert="ThanosCompactHalted",
        ),
        graph(
            "Grafana",
            "Requests a second by status.",
            "reqps",
            (rate(own("grafana_http_request_duration_seconds_count"), "status_code"), "{{status_code}}"),
            width=12,
        ),
    ]
