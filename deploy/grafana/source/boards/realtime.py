"""Realtime: sockets, chat and the live feed."""

from blocks import links
from blocks.board import Board
from blocks.panels import Panels, bars, graph, stat
from blocks.promql import a_minute, grew, or_zero, own, quantile, rate, share

DELIVERY = "websocket_delivery_seconds_bucket"
# Chat; the other kind are the events of the live feed.
MESSAGE = 'kind="message"'
COMMANDS = "websocket_message_processing_seconds_bucket"
LOST = 'outcome=~"lost|timed_out"'
OPEN = f"sum(avg_over_time({own('websocket_connections_active')}[5m]))"
LOGS = links.logs(service="socket-gateway")


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-realtime",
        "Realtime",
        "Who is connected, how fast messages arrive, and who is too slow to read them.",
    )
    made.row("Now", *_now())
    made.row("Messages", *_messages())
    return made.row("Connections", *_connections())


def _now() -> Panels:
    return [
        stat("Open sockets", "Connections now.", "short", f"sum({own('websocket_connections_active')})"),
        stat("Players connected", "Distinct players with a socket.", "short", f"sum({own('active_users')})"),
        stat(
            "Messages a minute",
            "Chat messages that were stored.",
            "cpm",
            a_minute(own("messages_total")),
        ),
        stat(
            "Delivery p95",
            "From reading a chat message to writing it to one socket.",
            "s",
            quantile(0.95, own(DELIVERY, MESSAGE)),
        ),
        stat(
            "Slow consumers",
            "Sockets that were cut in the chosen time for reading slowly.",
            "short",
            grew(own("websocket_slow_consumers_total")),
            instant=True,
            decimals=0,
        ),
        stat(
            "Dropped frames",
            "Thrown away in the chosen time, with the sockets that were cut.",
            "short",
            grew(own("websocket_send_queue_dropped_total")),
            instant=True,
            decimals=0,
        ),
    ]


def _messages() -> Panels:
    fast = 'le="0.25"'
    return [
        graph(
            "Chat messages a minute",
            "That were stored.",
            "cpm",
            (a_minute(own("messages_total")), "messages"),
            width=8,
        ),
        graph(
            "Delivery",
            "From reading a chat message, or receiving an event for the live feed, to writing it to one socket.",
            "s",
            (quantile(0.5, own(DELIVERY), "kind"), "{{kind}} p50"),
            (quantile(0.95, own(DELIVERY), "kind"), "{{kind}} p95"),
            (quantile(0.99, own(DELIVERY), "kind"), "{{kind}} p99"),
            exemplars=True,
            width=8,
            links=[links.to_dashboard("SLO", "battlearena-slo")],
        ),
        graph(
            "Delivered within 250 ms",
            "Share of the chat messages' deliveries: the objective is 99 %.",
            "percentunit",
            (
                share(rate(own(DELIVERY, MESSAGE, fast)), rate(own("websocket_delivery_seconds_count", MESSAGE))),
                "in time",
            ),
            minimum=None,
            width=8,
        ),
        graph(
            "Frames by direction",
            "Commands that came in and frames that were written, a second.",
            "cps",
            (rate(own("websocket_messages_total"), "direction"), "{{direction}}"),
            width=8,
        ),
        bars(
            "Frames by kind",
            "In the chosen time.",
            "short",
            f"{grew(own('websocket_messages_total'), 'direction', 'kind')} > 0",
            "{{direction}} {{kind}}",
        ),
        graph(
            "Time of a command, p95",
            "From reading it to its answer; of a message, to its being stored.",
            "s",
            (f"{quantile(0.95, own(COMMANDS), 'kind')} >= 0", "{{kind}}"),
            exemplars=True,
            width=8,
            links=[LOGS],
        ),
    ]


def _connections() -> Panels:
    return [
        graph(
            "Sockets",
            "Open, and the players behind them.",
            "short",
            (f"sum({own('websocket_connections_active')})", "sockets"),
            (f"sum({own('active_users')})", "players"),
        ),
        graph(
            "Connections by outcome",
            "A minute; each counts as accepted at its start and again at its end.",
            "cpm",
            (a_minute(own("websocket_connections_total"), "outcome"), "{{outcome}}"),
            links=[LOGS],
        ),
        graph(
            "Slow consumers and what they cost",
            "Sockets that were cut a minute, and the frames that were thrown away with them.",
            "cpm",
            (a_minute(own("websocket_slow_consumers_total")), "sockets"),
            (a_minute(own("websocket_send_queue_dropped_total")), "frames"),
            width=8,
        ),
        graph(
            "Sockets cut for reading slowly",
            "In five minutes, for each open socket.",
            "percentunit",
            (or_zero(share(grew(own("websocket_slow_consumers_total"), window="5m"), OPEN)), "share"),
            alert="SlowConsumers",
            nth=1,
            width=8,
        ),
        graph(
            "Sockets lost",
            "Connections that broke or fell silent in five minutes, for each open socket.",
            "percentunit",
            (or_zero(share(grew(own("websocket_connections_total", LOST), window="5m"), OPEN)), "share"),
            alert="SocketDrops",
            nth=1,
            width=8,
        ),
        graph(
            "Refused commands",
            "A minute, by the code of the error.",
            "cpm",
            (a_minute(own("websocket_errors_total"), "code"), "{{code}}"),
            links=[LOGS],
        ),
        graph(
            "Refused handshakes",
            "A minute, by reason.",
            "cpm",
            (a_minute(own("websocket_handshakes_refused_total"), "reason"), "{{reason}}"),
            links=[LOGS],
        ),
    ]
