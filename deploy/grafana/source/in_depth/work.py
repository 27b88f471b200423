"""Work that nobody waits for: queues, caches and the event log."""

from blocks.panels import Panels, graph, stat
from blocks.promql import a_minute, grew, of, own, quantile, rate, share


def queues() -> Panels:
    """What waits, how long, and what was given up."""
    queue = "{{service}} {{queue}}"
    looked_up = (
        f"({rate(of('cache_hits_total'), 'service', 'cache')} + {rate(of('cache_misses_total'), 'service', 'cache')})"
    )
    return [
        graph(
            "Queue depth",
            "What waits.",
            "short",
            (f"sum by (service, queue) ({of('queue_depth')})", queue),
            alert="QueueBacklog",
            width=8,
        ),
        graph(
            "Oldest in the queue",
            "How long the oldest of those that wait has waited.",
            "s",
            (f"max by (service, queue) ({of('queue_oldest_seconds')})", queue),
            alert="QueueStalled",
            width=8,
        ),
        graph(
            "Time for a batch, p95",
            "To work off a batch of the queue, failed or not.",
            "s",
            (f"{quantile(0.95, of('queue_processing_duration_seconds_bucket'), 'service', 'queue')} >= 0", queue),
            width=8,
        ),
        stat(
            "Dead letters",
            "Events that were given up in the last hour. `arena events dead list` shows them.",
            "short",
            grew(of("queue_dead_letters_total"), window="1h"),
            alert="DeadLetters",
            instant=True,
            decimals=0,
        ),
        graph(
            "Cache hits",
            "Share of the lookups that the cache could answer.",
            "percentunit",
            (share(rate(of("cache_hits_total"), "service", "cache"), looked_up), "{{service}} {{cache}}"),
            alert="CacheHitRateLow",
            nth=1,
            width=10,
        ),
        graph(
            "Cache size",
            "What the caches hold.",
            "bytes",
            (f"sum by (service, cache) ({of('cache_size_bytes')})", "{{service}} {{cache}}"),
            width=10,
        ),
    ]


def event_log() -> Panels:
    """What the platform tells itself, and how late."""
    lag = of("analytics_ingest_lag_seconds_bucket")
    return [
        graph(
            "Events by source",
            "Events a second that the log stored, each once.",
            "cps",
            (rate(own("analytics_events_total"), "source"), "{{source}}"),
            width=8,
        ),
        graph(
            "Events by kind",
            "In a minute.",
            "cpm",
            (f"topk(10, {a_minute(own('analytics_events_total'), 'event')} > 0)", "{{event}}"),
            width=8,
        ),
        graph(
            "Lag of the event log",
            "From the transaction that told an event to its being stored; and events a second that were sent again.",
            "s",
            (quantile(0.5, lag), "p50"),
            (quantile(0.99, lag), "p99"),
            (rate(own("analytics_duplicates_total")), "sent again a second"),
            width=8,
        ),
    ]
