"""Business: who comes, who stays, who buys, and what it earns."""

from blocks.board import Board
from blocks.panels import Panels, bars, graph, stat, table
from blocks.promql import RANGE, grew, own, share

PAID = 'status="completed"'
DECLINED = 'status="failed"'
DECIDED = 'status=~"completed|failed"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-business",
        "Business",
        "Registrations, revenue, payments, tiers and features. Days are UTC; money is US dollars.",
        since="now-24h",
        refresh="1m",
    )
    made.row("Today", *_today())
    made.row("Revenue", *_revenue())
    made.row("Payments", *_payments())
    return made.row("Players", *_players())


def _today() -> Panels:
    bought = grew(own("transactions_total", PAID))
    return [
        stat(
            "Registered today",
            "Accounts that were made since midnight (UTC).",
            "short",
            grew(own("player_registrations_total")),
            instant=True,
            since="now/d",
            decimals=0,
        ),
        stat(
            "Registered",
            "Accounts that were made in the chosen time.",
            "short",
            grew(own("player_registrations_total")),
            instant=True,
            decimals=0,
        ),
        stat(
            "Revenue today",
            "Completed purchases since midnight (UTC).",
            "currencyUSD",
            grew(own("revenue_total_usd")),
            instant=True,
            since="now/d",
            decimals=2,
        ),
        stat(
            "Revenue",
            "Completed purchases in the chosen time.",
            "currencyUSD",
            grew(own("revenue_total_usd")),
            instant=True,
            decimals=2,
        ),
        stat(
            "Average purchase",
            "Revenue of the chosen time, divided by its completed purchases.",
            "currencyUSD",
            share(grew(own("revenue_total_usd")), bought),
            instant=True,
            decimals=2,
        ),
        stat(
            "Conversion",
            "Completed purchases for each log-in, in the chosen time.",
            "percentunit",
            share(bought, grew(own("player_logins_total"))),
            instant=True,
        ),
    ]


def _revenue() -> Panels:
    return [
        graph(
            "Revenue an hour, by item",
            "Completed purchases of the hour before each point.",
            "currencyUSD",
            (grew(own("revenue_total_usd"), "item_type", window="1h"), "{{item_type}}"),
            stacked=True,
        ),
        graph(
            "Revenue an hour, by region",
            "The same by the home region of the buyer.",
            "currencyUSD",
            (grew(own("revenue_total_usd"), "region", window="1h"), "{{region}}"),
            stacked=True,
        ),
        bars(
            "Revenue by item",
            "In the chosen time.",
            "currencyUSD",
            grew(own("revenue_total_usd"), "item_type"),
            "{{item_type}}",
        ),
        bars(
            "Revenue by region",
            "In the chosen time.",
            "currencyUSD",
            grew(own("revenue_total_usd"), "region"),
            "{{region}}",
        ),
        bars(
            "Orders by payment method",
            "Orders that were placed, whatever came of the payment.",
            "short",
            grew(own("orders_created_total"), "payment_method"),
            "{{payment_method}}",
        ),
    ]


def _payments() -> Panels:
    bought = own("transactions_total", DECIDED)
    return [
        stat(
            "Failed payments",
            "Purchases that were declined, in the chosen time.",
            "short",
            grew(own("transactions_total", DECLINED)),
            instant=True,
            decimals=0,
        ),
        stat(
            "Share of failed payments",
            "Of the purchases in the chosen time.",
            "percentunit",
            share(grew(own("transactions_total", DECLINED)), grew(bought)),
            alert="PaymentFailureRateHigh",
            instant=True,
        ),
        graph(
            "Failed payments of the last five minutes",
            "As analytics counts them from the event log.",
            "percentunit",
            (f"max({own('transaction_failure_rate')})", "share"),
            alert="PaymentFailureRateHigh",
            width=8,
        ),
        table(
            "Purchases by item and outcome",
            "In the chosen time.",
            "short",
            [("Purchases", grew(own("transactions_total"), "type", "status"))],
            width=8,
        ),
    ]


def _players() -> Panels:
    logins = grew(own("player_logins_total"), window="1h")
    return [
        graph(
            "Players by tier",
            "Seen in the last five minutes.",
            "short",
            (f"sum by (tier) ({own('active_players')})", "{{tier}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "What players do, by hour",
            "Log-ins, log-outs and registrations of the hour before each point.",
            "short",
            (logins, "log-ins"),
            (grew(own("player_logouts_total"), window="1h"), "log-outs"),
            (grew(own("player_registrations_total"), window="1h"), "registrations"),
            width=8,
        ),
        graph(
            "Purchases for each log-in, by hour",
            "Conversion over the day.",
            "percentunit",
            (share(grew(own("transactions_total", PAID), window="1h"), logins), "conversion"),
            width=8,
        ),
        bars(
            "Features",
            "Uses in the chosen time.",
            "short",
            grew(own("feature_usage_total"), "feature"),
            "{{feature}}",
        ),
        table(
            "Features by tier",
            "Uses in the chosen time.",
            "short",
            [("Uses", grew(own("feature_usage_total"), "feature", "user_tier"))],
            width=8,
        ),
        bars(
            "Orders by product",
            "Orders that were placed in the chosen time.",
            "short",
            grew(own("orders_created_total"), "product_category"),
            "{{product_category}}",
        ),
        graph(
            "Sessions",
            "That could be refreshed now.",
            "short",
            (f"sum({own('sessions_active')})", "sessions"),
        ),
        graph(
            "Most players at once",
            "The highest number of players of the hour before each point.",
            "short",
            (f"max(max_over_time({own('active_players_count')}[1h]))", "peak of the hour"),
            (f"max(max_over_time({own('active_players_count')}[{RANGE}]))", "peak of the chosen time"),
        ),
    ]
