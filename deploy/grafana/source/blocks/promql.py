"""The PromQL that panels share: selectors with the dashboard's variables, rates, shares and quantiles.

Invariant: a window is `$__rate_interval`, `$__range` or a time that means something to people (an hour, a day);
never one that fits a single scrape interval. A ratio divides sums over the same labels, and is empty instead of NaN
when there was nothing to divide by.
"""

from __future__ import annotations

CLUSTER = 'cluster=~"$cluster"'
SERVICE = 'service=~"$service"'
INTERVAL = "$__rate_interval"
RANGE = "$__range"


def own(metric: str, *matchers: str) -> str:
    """A metric that one service or exporter has, wherever the cluster variable points."""
    return f"{metric}{{{','.join((CLUSTER, *matchers))}}}"


def of(metric: str, *matchers: str) -> str:
    """A metric that several services have, of those that are chosen."""
    return own(metric, SERVICE, *matchers)


def total(expression: str, *by: str) -> str:
    """The sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def rate(selector: str, *by: str) -> str:
    """What happens a second, summed by labels."""
    return total(f"rate({selector}[{INTERVAL}])", *by)


def a_minute(selector: str, *by: str) -> str:
    """What happens a minute, summed by labels."""
    return f"60 * {rate(selector, *by)}"


def grew(selector: str, *by: str, window: str = RANGE) -> str:
    """By how much a counter grew within a window, summed by labels."""
    return total(f"increase({selector}[{window}])", *by)


def share(part: str, whole: str) -> str:
    """Part of a whole. Both are sums over the same labels; without a whole there is no share."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, histogram: str, *by: str, window: str = INTERVAL) -> str:
    """A quantile of a histogram; `histogram` is a selector whose metric ends in `_bucket`."""
    return f"histogram_quantile({q:g}, {total(f'rate({histogram}[{window}])', *by, 'le')})"


def mean(histogram: str, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """The average of what a histogram observed, from its sum and its count."""
    sums = rate(of(f"{histogram}_sum", *matchers), *by)
    return share(sums, rate(of(f"{histogram}_count", *matchers), *by))


def or_zero(expression: str) -> str:
    """Zero where nothing was counted, for a number that stands alone."""
    return f"{expression} or vector(0)"
