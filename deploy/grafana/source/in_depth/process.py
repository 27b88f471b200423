"""The process itself: its runtime, and how much room is left."""

from blocks.panels import Panels, bars, graph
from blocks.promql import RANGE, a_minute, grew, of, own, rate, share, total

OURS = 'job="battlearena"'


def runtime() -> Panels:
    """Workers, tasks, processor, memory, and work in the background."""
    return [
        graph(
            "Workers busy",
            "Share of the workers' time that was spent working: 1 is all that there is.",
            "percentunit",
            (
                share(
                    rate(of("tokio_workers_busy_seconds_total"), "service", "runtime"),
                    total(of("tokio_workers"), "service", "runtime"),
                ),
                "{{service}} {{runtime}}",
            ),
            width=8,
        ),
        graph(
            "Busiest moment of a worker",
            "Busy ratio between two scrapes, the highest of the service's replicas.",
            "percentunit",
            (f"max by (service, runtime) ({of('tokio_busy_ratio')})", "{{service}} {{runtime}}"),
            width=8,
        ),
        graph(
            "Tasks",
            "Alive, and those that wait in the shared queue.",
            "short",
            (f"sum by (service) ({of('tokio_alive_tasks')})", "{{service}} alive"),
            (f"sum by (service) ({of('tokio_global_queue_depth')})", "{{service}} waiting"),
            width=8,
        ),
        graph(
            "CPU",
            "Processor seconds a second: 1 is one core.",
            "short",
            (rate(of("process_cpu_seconds_total", OURS), "service"), "{{service}}"),
            width=8,
        ),
        graph(
            "Memory",
            "Resident.",
            "bytes",
            (f"sum by (service) ({of('process_resident_memory_bytes', OURS)})", "{{service}}"),
            width=8,
        ),
        graph(
            "Threads",
            "Of the operating system.",
            "short",
            (f"sum by (service) ({of('process_threads', OURS)})", "{{service}}"),
            width=8,
        ),
        graph(
            "Background work",
            "Runs a minute by outcome.",
            "cpm",
            (
                a_minute(of("operations_total"), "service", "operation", "outcome"),
                "{{service}} {{operation}} {{outcome}}",
            ),
        ),
        graph(
            "Time of background work",
            "Average of the runs since the process began: most run once an hour or less.",
            "s",
            (
                share(
                    total(of("operation_duration_seconds_sum"), "service", "operation"),
                    total(of("operation_duration_seconds_count"), "service", "operation"),
                ),
                "{{service}} {{operation}}",
            ),
        ),
    ]


def capacity() -> Panels:
    """What grows, where it leads, and how much more could be served."""
    most = of("database_connections_max")
    size = f"max({own('database_size_bytes')})"
    used = share(
        f"max by (service) ({of('process_open_fds', OURS)})", f"max by (service) ({of('process_max_fds', OURS)})"
    )
    busy = rate(of("tokio_workers_busy_seconds_total", 'runtime="http"'), "service")
    workers = total(of("tokio_workers", 'runtime="http"'), "service")
    return [
        graph(
            "Database size and where it leads",
            "Size now, and in 30 days if it grows as in the last six hours.",
            "bytes",
            (size, "now"),
            (f"max(predict_linear({own('database_size_bytes')}[6h], 30 * 86400))", "in 30 days"),
        ),
        graph(
            "Requests that the workers could carry",
            "What is served a second, and what would be if the HTTP workers had no pause, at the same cost a request.",
            "reqps",
            (rate(of("http_requests_total"), "service"), "{{service}} served"),
            (f"{rate(of('http_requests_total'), 'service')} * {workers} / ({busy} > 0)", "{{service}} at most"),
        ),
        bars(
            "Highest use of the pool",
            "Of the connections that a service may have, the most that were lent out in the chosen time.",
            "percentunit",
            f"max by (service) (max_over_time({of('database_connections_active')}[{RANGE}]) / {most})",
            "{{service}}",
        ),
        bars(
            "Open files",
            "Share of the limit.",
            "percentunit",
            used,
            "{{service}}",
        ),
        graph(
            "Growth",
            "Accounts, purchases and events a day, if they come as in the last hour.",
            "short",
            (f"24 * {grew(own('player_registrations_total'), window='1h')}", "accounts"),
            (f"24 * {grew(own('transactions_total'), window='1h')}", "purchases"),
            (f"24 * {grew(own('analytics_events_total'), window='1h')}", "events"),
            width=8,
        ),
    ]
