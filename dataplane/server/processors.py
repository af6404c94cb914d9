"""How many workers there are where nobody says it: one per processor that this process may use.

Envoy: --concurrency; hardware threads, the affinity mask and the CPU limit of the cgroup, whichever is least.
"""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """At least 1.  cgroup: the root of the container's control group."""
    allowed = len(os.sched_getaffinity(0))
    limit = _cpu_limit(cgroup)
    return max(1, allowed if limit is None else min(allowed, int(limit)))


def _cpu_limit(cgroup: Path) -> float | None:
    """Processors' worth of time, of version 2 or 1 of control groups; None where there is no limit."""
    try:
        quota, _, period = (cgroup / "cpu.max").read_text().strip().partition(" ")
    except OSError:
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None  # "max"
