"""SLO: what was promised, what is left of the error budget, and how fast it burns."""

from blocks import links, variables
from blocks.board import Board
from blocks.panels import Panels, graph, note, stat, table
from blocks.promql import a_minute, own, quantile

CHOSEN = 'sloth_id=~"$slo"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-slo",
        "SLO",
        "Objectives over 30 days: error budget left and burn rates. Releases and new builds are marked.",
        since="now-24h",
        variables=[variables.chosen_from("slo", "Objective", "label_values(slo:objective:ratio, sloth_id)")],
    )
    made.row("Objectives", *_objectives())
    made.row("Budget", *_budget())
    made.row("Burn rate", *_burn())
    return made.row("From outside", *_canary())


def _worst(record: str, function: str = "max") -> str:
    return f"{function} by (sloth_id) ({own(record, CHOSEN)})"


def _burned(window: str) -> str:
    """How many times too fast errors came over a window; 1 uses up the budget in exactly 30 days."""
    budget = own("slo:error_budget:ratio", CHOSEN)
    ratio = own(f"slo:sli_error:ratio_rate{window}", CHOSEN)
    return f"max by (sloth_id) ({ratio} / on (cluster, sloth_id, sloth_service, sloth_slo) {budget})"


def _objectives() -> Panels:
    return [
        table(
            "Objectives",
            "Share that must be good, what was good in 30 days, what is left of the budget, and how fast it burns now.",
            "percentunit",
            [
                ("Budget left", _worst("slo:period_error_budget_remaining:ratio", "min")),
                ("Objective", _worst("slo:objective:ratio")),
                ("Error ratio, 30 d", _worst("slo:sli_error:ratio_rate30d")),
                ("Budget", _worst("slo:error_budget:ratio")),
            ],
            width=16,
        ),
        stat(
            "Least budget left",
            "Of the chosen objectives: 1 is untouched, below 0 the promise is broken.",
            "percentunit",
            f"min({own('slo:period_error_budget_remaining:ratio', CHOSEN)})",
        ),
        stat(
            "Fastest burn now",
            "Times the rate at which the budget would last exactly 30 days.",
            "none",
            f"max({own('slo:current_burn_rate:ratio', CHOSEN)})",
        ),
    ]


def _budget() -> Panels:
    return [
        graph(
            "Error budget left",
            "Of 30 days.",
            "percentunit",
            (_worst("slo:period_error_budget_remaining:ratio", "min"), "{{sloth_id}}"),
            minimum=None,
        ),
        graph(
            "Error ratio over 30 days",
            "Errors ÷ events; the budget is 1 less the objective.",
            "percentunit",
            (_worst("slo:sli_error:ratio_rate30d"), "{{sloth_id}}"),
            (_worst("slo:error_budget:ratio"), "budget of {{sloth_id}}"),
        ),
        graph(
            "Error ratio now",
            "Of the last five minutes.",
            "percentunit",
            (_worst("slo:sli_error:ratio_rate5m"), "{{sloth_id}}"),
            links=[links.in_depth()],
        ),
        graph(
            "Budget used of the period",
            "Average burn rate of the 30 days: 1 uses it up exactly.",
            "none",
            (_worst("slo:period_burn_rate:ratio"), "{{sloth_id}}"),
        ),
    ]


def _burn() -> Panels:
    """The thresholds are factors, and the same for every objective."""
    fast, slow = "SLOGatewayAvailabilityBurnFast", "SLOGatewayAvailabilityBurnSlow"
    told = "Times the rate at which the budget lasts exactly 30 days."
    return [
        graph(f"Burn over {name}", f"{told} {also}", "none", (_burned(window), "{{sloth_id}}"), alert=alert, nth=nth)
        for window, name, also, alert, nth in (
            ("1h", "1 hour", "A page, when 5 minutes say the same.", fast, 0),
            ("6h", "6 hours", "A page, when 30 minutes say the same.", fast, 2),
            ("1d", "24 hours", "A ticket, when 2 hours say the same.", slow, 0),
            ("3d", "3 days", "A ticket, when 6 hours say the same.", slow, 2),
        )
    ]


def _canary() -> Panels:
    return [
        graph(
            "Checks of the synthetic player",
            "A minute, by outcome: they see an outage that a dead service cannot count.",
            "cpm",
            (a_minute(own("canary_checks_total"), "check", "outcome"), "{{check}} {{outcome}}"),
            stacked=True,
        ),
        graph(
            "Time of a check, p95",
            "Log-in, a whole match, and a message there and back.",
            "s",
            (quantile(0.95, own("canary_check_duration_seconds_bucket"), "check"), "{{check}}"),
        ),
        note(
            "How it is computed",
            "From errors to alerts.",
            "An objective has one or more sources, each errors ÷ events; the worst of them counts; no traffic is no "
            "error. Alerts need two windows at once, so that they begin soon and end soon. See `docs/slo.md`.",
        ),
    ]
