"""Whether a proxy held on to something: from samples to complaints.  Pure.

Memory is judged by what is allocated: of the interpreter's heap the blocks (small objects), of the C library's the bytes (everything else).
What the process has of the system says less: an allocator that finds its size looks like a leak, and hides one of half a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Final

from tests.soak.measure import Sample

# Caches fill, pools find their size, and the allocator its own: this part of a run says nothing about leaks.
WARM_UP: Final = 1 / 4
# By how much each may grow from the end of the warm-up to the end, by the line through all samples: what comes and goes with the load makes
# it lean by less.  In ten minutes that finds five objects for each revision, and fifty bytes for every hundred requests.
MOST_BLOCKS: Final = 3000
MOST_BYTES: Final = 200 << 10
MOST_RESIDENT: Final = 2 << 20
# A run that is shorter than this ends while all that still finds its size: it finds what is ten times as bad.
SHORT: Final = 200.0
SHORT_FACTOR: Final = 10
# Objects that only the collector of cycles could free: a few at each revision are no leak, a few for each connection would be a stop of
# 50 ms now and then, and memory that nobody uses.
MOST_IN_CYCLES: Final = 40  # for each revision


@dataclass(frozen=True, slots=True)
class Growth:
    what: str
    found: float
    allowed: int


def growth(samples: Sequence[Sample], read: Callable[[Sample], int]) -> float:
    """How much higher the end of the line through the samples after the warm-up is than its beginning."""
    settled = samples[int(len(samples) * WARM_UP) :]
    if len(settled) < 2:
        return 0.0
    times = [sample.at for sample in settled]
    slope, _ = linear_regression(times, [read(sample) for sample in settled])
    return slope * (times[-1] - times[0])


def growths(samples: Sequence[Sample]) -> list[Growth]:
    factor = SHORT_FACTOR if not samples or samples[-1].at - samples[0].at < SHORT else 1
    return [
        Growth("blocks of the interpreter's heap", growth(samples, lambda sample: sample.heap_blocks), MOST_BLOCKS * factor),
        Growth("bytes of the C library's heap", growth(samples, lambda sample: sample.heap_bytes), MOST_BYTES * factor),
        Growth("resident bytes", growth(samples, lambda sample: sample.resident), MOST_RESIDENT * factor),
    ]


def leaks(before: Sample, under_load: Sequence[Sample], after: Sample) -> list[str]:
    """before, after: without load, after a first and after all of it."""
    found = [
        f"{each.found:+.0f} {each.what}, {each.allowed} are allowed" for each in growths(under_load) if each.found > each.allowed
    ]
    for what, left in (
        ("downstream connections", after.downstream_connections),
        ("downstream streams", after.downstream_streams),
        ("upstream streams", after.upstream_streams),
    ):
        if left:
            found.append(f"{left} {what} are left")
    for what, then, now in (
        ("descriptors besides connections", before.descriptors_without_connections, after.descriptors_without_connections),
        ("tasks", before.tasks, after.tasks),
    ):
        if now > then:
            found.append(f"{now} {what}, {then} before")
    collected, allowed = after.collected - before.collected, MOST_IN_CYCLES * (after.generation - before.generation)
    if collected > allowed:
        found.append(f"{collected} objects were freed by the collector of cycles alone, {allowed} may be")
    return found
