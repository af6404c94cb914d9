"""Whether a proxy held on to something: from samples to complaints.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.soak.measure import Sample

# Caches fill, pools find their size, and the allocator its own: this part of a run says nothing about leaks.
WARM_UP = 1 / 3
# Of the rest, the last part may be so much above the first.
GROWTH_SHARE = 0.02
GROWTH_BYTES = 3 << 20


def memory_growth(samples: Sequence[Sample]) -> int:
    """Bytes between the beginning and the end of what follows the warm-up, each the median of a third."""
    settled = [sample.resident for sample in samples[int(len(samples) * WARM_UP) :]]
    third = max(1, len(settled) // 3)
    return int(median(settled[-third:]) - median(settled[:third]))


def leaks(before: Sample, under_load: Sequence[Sample], after: Sample) -> list[str]:
    """before, after: without load, after a first and after all of it."""
    growth = memory_growth(under_load)
    allowed = max(GROWTH_BYTES, int(before.resident * GROWTH_SHARE))
    found = [f"memory grew by {growth} bytes, {allowed} are allowed"] if growth > allowed else []
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
    return found
