"""Which statistics an old process tells a new one, and which gauges mean something in a sum of both.

Envoy: counters go on; a gauge counts for both processes (ImportMode::Accumulate) or only for the one that has it (NeverImport).
Histograms and text read-outs begin anew.
"""

from __future__ import annotations

from typing import Final

from dataplane.observe.stats import StatsStore

_ADD_UP: Final = ("server.memory_allocated", "server.memory_heap_size", "server.memory_physical_size", "server.total_connections")

# What describes a configuration or a process: the old one's says nothing of the new one.
_OWN_PREFIXES: Final = ("server.", "cluster_manager.", "listener_manager.", "runtime.", "pointsman.", "control_plane.")
_OWN_ENDS: Final = (
    ".membership_total",
    ".membership_healthy",
    ".membership_degraded",
    ".membership_excluded",
    ".max_host_weight",
    ".version",
    ".warming_state",
    ".connected_state",
)


def totals(stats: StatsStore) -> dict[str, dict[str, int]]:
    """What is told: everything that was ever used."""
    return {
        "counters": {name: stat.value for name, stat in stats.counters.items() if stat.value},
        "gauges": {name: stat.value for name, stat in stats.gauges.items() if stat.used and _adds_up(name)},
    }


def _adds_up(name: str) -> bool:
    if name in _ADD_UP:
        return True
    return not name.startswith(_OWN_PREFIXES) and not name.endswith(_OWN_ENDS)
