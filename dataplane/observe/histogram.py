"""Quantiles and buckets of a histogram, as Envoy prints them.

Here: arithmetic on value → count.  Values carry two significant digits; a value stands for the interval up to the next such number.
Envoy: `/stats?histogram_buckets=`, circllhist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

QUANTILES: Final = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0)
DEFAULT_BUCKETS: Final = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip


def _width(value: int) -> float:
    """How far the next number with two significant digits is."""
    if value == 0:
        return 0.0
    return 10.0 ** (len(str(value)) - 2)


def quantiles(counts: Mapping[int, int], wanted: Sequence[float] = QUANTILES) -> list[float] | None:
    """The value below which each fraction of the records lies, linear inside an interval; None for an empty histogram."""
    if not counts:
        return None
    values = sorted(counts)
    below = list(accumulate(counts[value] for value in values))
    total = below[-1]
    found: list[float] = []
    for fraction in wanted:
        rank = fraction * total
        index = next(position for position, reached in enumerate(below) if reached >= rank)
        count = counts[values[index]]
        inside = (rank - (below[index] - count)) / count
        found.append(values[index] + inside * _width(values[index]))
    return found


def cumulative(counts: Mapping[int, int], bounds: Sequence[float] = DEFAULT_BUCKETS) -> list[int]:
    """How many records lie at or below each bound."""
    values = sorted(counts)
    found: list[int] = []
    position = reached = 0
    for bound in bounds:
        while position < len(values) and values[position] <= bound:
            reached += counts[values[position]]
            position += 1
        found.append(reached)
    return found


def number(value: float) -> str:
    """As Envoy prints a quantile: no trailing zeros."""
    return f"{value:.10g}"
