"""What a service asks of others: gRPC calls, SQL statements and the pool of connections."""

from blocks import links
from blocks.panels import Panels, graph
from blocks.promql import a_minute, grew, of, or_zero, quantile, rate, share, total

CALL = "{{service}} {{grpc_service}}/{{grpc_method}}"
GRPC = ("service", "grpc_service", "grpc_method")
CANCELLED = 'outcome="cancelled"'


def grpc() -> Panels:
    """Calls that are served, and calls to other services."""
    bad = 'grpc_code=~"Internal|Unavailable|DeadlineExceeded|DataLoss|Unknown|Unimplemented"'

    def open_calls(side: str) -> str:
        return f"{total(of(f'{side}_started_total'), 'service')} - {total(of(f'{side}_handled_total'), 'service')}"

    def failed(calls: str) -> str:
        return share(rate(of(calls, bad), "service"), rate(of(calls), "service"))

    return [
        graph(
            "Served calls",
            "gRPC calls a second that a server is done with.",
            "reqps",
            (f"{rate(of('grpc_server_handled_total'), *GRPC)} > 0", CALL),
            links=[links.traces("service")],
        ),
        graph(
            "Served calls, p95",
            "Time from the head of a unary call to the end of its answer.",
            "s",
            (f"{quantile(0.95, of('grpc_server_handling_seconds_bucket'), *GRPC)} >= 0", CALL),
            exemplars=True,
            links=[links.traces("service")],
        ),
        graph(
            "Calls to other services, p95",
            "The same, seen by the caller: the difference is the way.",
            "s",
            (f"{quantile(0.95, of('grpc_client_handling_seconds_bucket'), *GRPC)} >= 0", CALL),
        ),
        graph(
            "Failed calls",
            "Share of the calls that ended badly, as the server and as the caller saw it.",
            "percentunit",
            (failed("grpc_server_handled_total"), "{{service}} served"),
            (failed("grpc_client_handled_total"), "{{service}} called"),
            alert="GrpcErrorRateHigh",
        ),
        graph(
            "Open calls",
            "Calls that have begun and not ended: streams stay open.",
            "short",
            (
                open_calls("grpc_server"),
                "{{service}} serves",
            ),
            (
                open_calls("grpc_client"),
                "{{service}} waits for",
            ),
        ),
        graph(
            "Messages",
            "Messages a second, those of streams included.",
            "cps",
            (rate(of("grpc_server_msg_received_total"), "service"), "{{service}} server received"),
            (rate(of("grpc_server_msg_sent_total"), "service"), "{{service}} server sent"),
            (rate(of("grpc_client_msg_received_total"), "service"), "{{service}} client received"),
            (rate(of("grpc_client_msg_sent_total"), "service"), "{{service}} client sent"),
        ),
    ]


def sql() -> Panels:
    """Statements by name, and the wait for a connection."""
    named = "{{service}} {{query}}"
    seconds = of("database_query_duration_seconds_bucket")
    lent = f"sum by (service) ({of('database_connections_active')})"
    most = f"sum by (service) ({of('database_connections_max')})"
    return [
        graph(
            "Statements",
            "Statements a second by the name that they have in the code.",
            "ops",
            (f"topk(15, {rate(of('database_queries_total'), 'service', 'query')} > 0)", named),
        ),
        graph(
            "Statements, p95",
            "From sending a statement to its last row, without the wait for a connection: the 15 slowest.",
            "s",
            (f"topk(15, {quantile(0.95, seconds, 'service', 'query')} >= 0)", named),
            alert="SlowQueries",
        ),
        graph(
            "Time in the database by statement",
            "Seconds a second that statements took: where the database's time goes.",
            "percentunit",
            (f"topk(10, {rate(of('database_query_duration_seconds_sum'), 'service', 'query')} > 0)", named),
            stacked=True,
            width=8,
        ),
        graph(
            "Failed statements",
            "A minute, by cause; and statements that were cancelled before their end.",
            "cpm",
            (a_minute(of("database_errors_total"), "service", "class"), "{{service}} {{class}}"),
            (or_zero(a_minute(of("database_queries_total", CANCELLED))), "cancelled"),
            width=8,
        ),
        graph(
            "Wait for a connection, p95",
            "Of the pool; those that timed out count too.",
            "s",
            (quantile(0.95, of("database_pool_wait_seconds_bucket"), "service"), "{{service}}"),
            width=8,
        ),
        graph(
            "Pool in use",
            "Share of the connections that a service may have that are lent out.",
            "percentunit",
            (f"{lent} / ({most} > 0)", "{{service}}"),
            alert="ConnectionsHigh",
            width=8,
        ),
        graph(
            "Connections",
            "Lent out, and open without work.",
            "short",
            (lent, "{{service}} active"),
            (f"sum by (service) ({of('database_connections_idle')})", "{{service}} idle"),
            width=8,
        ),
        graph(
            "Waits that ended without a connection",
            "In five minutes.",
            "short",
            (grew(of("database_pool_timeouts_total"), "service", window="5m"), "{{service}}"),
            alert="PoolExhausted",
            width=8,
        ),
    ]
