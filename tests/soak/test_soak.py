"""A short soak, and what the verdict says of samples."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.leaky_process import PLANTS
from tests.soak.measure import Sample
from tests.soak.run import Soak
from tests.soak.verdict import MOST_IN_CYCLES, SHORT_FACTOR, growths, leaks

CALM = Sample(
    at=0.0,
    resident=50 << 20,
    heap_bytes=20 << 20,
    heap_blocks=350_000,
    collected=2000,
    descriptors=30,
    tasks=9,
    downstream_connections=0,
    downstream_streams=0,
    upstream_connections=4,
    upstream_streams=0,
    draining_listeners=0,
    statistics=500,
    generation=1,
    answered=0,
)
SECONDS = 20.0

# Of a run of ten minutes: a sample each five seconds, a revision each half second, two thousand requests a second.
SAMPLES, INTERVAL = 120, 5.0
PER_REVISION, PER_HUNDRED_REQUESTS = 2 * INTERVAL, 20 * INTERVAL


@pytest.mark.e2e
def test_a_short_soak_gives_everything_back(tmp_path: Path) -> None:
    report = asyncio.run(Soak(SECONDS, tmp_path, 1.0).run())
    assert not report.problems, report
    assert report.after.answered > report.before.answered
    assert report.after.generation > report.before.generation


@pytest.mark.e2e
def test_leaks_that_are_planted_are_found(tmp_path: Path) -> None:
    """One by one: `python -m tests.soak --plant KIND`."""
    soak = Soak(4.0, tmp_path, 0.2)
    soak.planted, soak.planted_amount, soak.patience = PLANTS, 20_000, 2.0
    problems = "\n".join(asyncio.run(soak.run()).problems)
    for what in (
        "blocks of the interpreter's heap",
        "bytes of the C library's heap",
        "descriptors besides connections",
        "tasks",
        "downstream connections are left",
    ):
        assert what in problems


def leaking(blocks: float = 0.0, size: float = 0.0, warm_up: int = 0) -> list[Sample]:
    """Samples of a load that comes and goes, with so much more in each.  warm_up: samples until it begins."""
    chance = random.Random(7)
    return [
        replace(
            CALM,
            at=number * INTERVAL,
            heap_blocks=CALM.heap_blocks + chance.randint(-2000, 2000) + int(blocks * max(0, number - warm_up)),
            heap_bytes=CALM.heap_bytes + chance.randint(-300_000, 300_000) + int(size * max(0, number - warm_up)),
        )
        for number in range(SAMPLES)
    ]


def test_what_comes_and_goes_is_no_leak() -> None:
    assert leaks(CALM, leaking(), CALM) == []


@pytest.mark.parametrize(
    ("blocks", "size", "what"),
    [
        (0.0, 1024 * PER_REVISION, "bytes of the C library's heap"),
        (16 * PER_REVISION, 0.0, "blocks of the interpreter's heap"),
        (1 * PER_HUNDRED_REQUESTS, 0.0, "blocks of the interpreter's heap"),
    ],
    ids=[
        "a kilobyte in one piece for each revision",
        "a kilobyte of objects for each revision",
        "an object for each hundred requests",
    ],
)
def test_a_leak_is_found(blocks: float, size: float, what: str) -> None:
    (complaint,) = leaks(CALM, leaking(blocks, size), CALM)
    assert what in complaint


def test_memory_that_only_grew_at_first_is_none() -> None:
    high = [replace(sample, resident=CALM.resident * 2) for sample in leaking()]
    first = [replace(sample, resident=CALM.resident + number << 20) for number, sample in enumerate(high[: SAMPLES // 4])]
    assert leaks(CALM, [*first, *high[SAMPLES // 4 :]], CALM) == []


def test_a_short_run_says_less() -> None:
    short = leaking()[:4]
    assert [each.allowed for each in growths(short)] == [SHORT_FACTOR * each.allowed for each in growths(leaking())]


@pytest.mark.parametrize(
    ("left", "complaint"),
    [
        ({"downstream_connections": 1, "descriptors": 31}, "1 downstream connections are left"),
        ({"downstream_streams": 2}, "2 downstream streams are left"),
        ({"upstream_streams": 3}, "3 upstream streams are left"),
        ({"tasks": 10}, "10 tasks, 9 before"),
        ({"descriptors": 31}, "27 descriptors besides connections, 26 before"),
        (
            {"collected": 2001 + MOST_IN_CYCLES, "generation": 2},
            f"{MOST_IN_CYCLES + 1} objects were freed by the collector of cycles alone, {MOST_IN_CYCLES} may be",
        ),
    ],
)
def test_what_is_left_is_named(left: dict[str, int], complaint: str) -> None:
    assert leaks(CALM, leaking()[:3], replace(CALM, **left)) == [complaint]  # type: ignore[arg-type]  # counts all


def test_connections_kept_for_later_are_no_leak() -> None:
    assert leaks(CALM, leaking()[:3], replace(CALM, upstream_connections=8, descriptors=34)) == []
