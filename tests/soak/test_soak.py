"""A short soak, and what the verdict says of samples."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.measure import Sample
from tests.soak.run import Soak
from tests.soak.verdict import GROWTH_BYTES, leaks, memory_growth

CALM = Sample(0.0, 50 << 20, 30, 9, 0, 0, 4, 0, 0, 500, 1, 0)
SECONDS = 20.0


@pytest.mark.e2e
def test_a_short_soak_gives_everything_back(tmp_path: Path) -> None:
    report = asyncio.run(Soak(SECONDS, tmp_path, 1.0).run())
    assert not report.problems, report
    assert report.after.answered > report.before.answered
    assert report.after.generation > report.before.generation


def growing(step: int) -> list[Sample]:
    return [replace(CALM, resident=CALM.resident + number * step) for number in range(30)]


def test_memory_that_grows_to_the_end_is_a_leak() -> None:
    assert memory_growth(growing(0)) == 0
    assert leaks(CALM, growing(0), CALM) == []
    assert len(leaks(CALM, growing(GROWTH_BYTES), CALM)) == 1


def test_memory_that_only_grew_at_first_is_none() -> None:
    warm = [replace(CALM, resident=CALM.resident * 2)] * 20
    assert memory_growth([*growing(1 << 20)[:10], *warm]) == 0


@pytest.mark.parametrize(
    ("left", "complaint"),
    [
        ({"downstream_connections": 1, "descriptors": 31}, "1 downstream connections are left"),
        ({"downstream_streams": 2}, "2 downstream streams are left"),
        ({"upstream_streams": 3}, "3 upstream streams are left"),
        ({"tasks": 10}, "10 tasks, 9 before"),
        ({"descriptors": 31}, "27 descriptors besides connections, 26 before"),
    ],
)
def test_what_is_left_is_named(left: dict[str, int], complaint: str) -> None:
    assert leaks(CALM, [CALM] * 3, replace(CALM, **left)) == [complaint]  # type: ignore[arg-type]  # counts all


def test_connections_kept_for_later_are_no_leak() -> None:
    assert leaks(CALM, [CALM] * 3, replace(CALM, upstream_connections=8, descriptors=34)) == []
