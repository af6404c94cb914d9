"""How load is spread over priorities: health, over-provisioning, spill-over, panic.

Here: percentages that add up to 100.  Not here: choosing within a priority (policies, locality).
Envoy: LoadBalancerBase; intro/arch_overview/upstream/load_balancing/priority, panic_threshold.  All numbers are whole per cent, rounded down,
as in Envoy, so that both send the same share to the same priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.balancing.hosts import HostSet, HostT


@dataclass(frozen=True, slots=True)
class PriorityLoad:
    """Per priority: per cent of the load for its healthy and for its degraded hosts, and whether health is ignored there."""

    healthy: tuple[int, ...]
    degraded: tuple[int, ...]
    panic: tuple[bool, ...]


def spread(sets: Sequence[HostSet[HostT]], panic_threshold: int) -> PriorityLoad:
    """Spread the load.  sets: at least one.  panic_threshold: per cent; 0 turns panic off."""
    healthy, degraded = map(list, zip(*map(availability, sets), strict=True))
    total = min(100, sum(healthy) + sum(degraded))
    nothing = [0] * len(sets)
    if total == 0 and panic_threshold == 0:
        # Nobody can be chosen; the sum must be 100 all the same.
        return PriorityLoad((100, *nothing[1:]), tuple(nothing), tuple([False] * len(sets)))
    panic = [total != 100 and _in_panic(hosts, panic_threshold) for hosts in sets]
    if all(panic):
        return PriorityLoad(tuple(_by_size(sets)), tuple(nothing), tuple(panic))
    if total == 0:
        return PriorityLoad((100, *nothing[1:]), tuple(nothing), tuple(panic))
    healthy_load, left = _fill(healthy, total, 100)
    degraded_load, left = _fill(degraded, total, left)
    _give_rest(healthy_load, healthy, degraded_load, degraded, left)
    return PriorityLoad(tuple(healthy_load), tuple(degraded_load), tuple(panic))


def choose(load: PriorityLoad, chance: float) -> tuple[int, bool]:
    """The priority for one request, and whether its degraded hosts are meant.  chance: sample in [0, 1)."""
    mark = int(chance * 100) + 1
    reached = 0
    for degraded, loads in ((False, load.healthy), (True, load.degraded)):
        for priority, share in enumerate(loads):
            reached += share
            if mark <= reached:
                return priority, degraded
    raise AssertionError("priority loads do not add up to 100")


def availability(hosts: HostSet[HostT]) -> tuple[int, int]:
    """Per cent of the priority's share that its healthy and its degraded hosts can carry."""
    return _carries(hosts, len(hosts.healthy)), _carries(hosts, len(hosts.degraded))


def _carries(hosts: HostSet[HostT], available: int) -> int:
    """Per cent of the priority's share that *available* hosts can carry, given over-provisioning."""
    if hosts.counted <= 0:
        return 0
    return min(100, hosts.overprovisioning_factor * available // hosts.counted)


def _in_panic(hosts: HostSet[HostT], threshold: int) -> bool:
    if hosts.counted <= 0:
        return threshold > 0
    return 100 * len(hosts.healthy) / hosts.counted + 100 * len(hosts.degraded) / hosts.counted < threshold


def _by_size(sets: Sequence[HostSet[HostT]]) -> list[int]:
    """Total panic: every priority gets what its size asks for."""
    total = sum(len(hosts.hosts) for hosts in sets)
    if total == 0:
        return [100] + [0] * (len(sets) - 1)
    loads = [100 * len(hosts.hosts) // total for hosts in sets]
    first = next(index for index, hosts in enumerate(sets) if hosts.hosts)
    loads[first] += 100 - sum(loads)
    return loads


def _fill(availability: Sequence[int], total: int, left: int) -> tuple[list[int], int]:
    """Give each priority in turn what it can carry of what is *left*."""
    loads = []
    for available in availability:
        load = min(left, available * 100 // total)
        loads.append(load)
        left -= load
    return loads, left


def _give_rest(
    healthy_load: list[int], healthy: Sequence[int], degraded_load: list[int], degraded: Sequence[int], rest: int
) -> None:
    """What rounding left over goes to the first priority that can carry anything."""
    if not rest:
        return
    for index, available in enumerate(healthy):
        if available:
            healthy_load[index] += rest
            return
    for index, available in enumerate(degraded):
        if available:
            degraded_load[index] += rest
            return
