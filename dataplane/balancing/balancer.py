"""From the hosts of a cluster to the one function that chooses among them.

Made anew whenever hosts, weights or health change, so that choosing itself is as short as the case allows: one priority, all healthy,
equal weights is an index that moves on.
Envoy: ZoneAwareLoadBalancerBase (without zone-aware routing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from dataplane.balancing.hosts import HostSet, HostT
from dataplane.balancing.locality import by_locality
from dataplane.balancing.policies import Chance, Picker, PickerMaker
from dataplane.balancing.priority import PriorityLoad, choose, spread

if TYPE_CHECKING:
    from dataplane.observe.stats import Counter


@dataclass(frozen=True, slots=True)
class BalancerSettings:
    """panic_threshold: per cent.  fail_traffic_on_panic: no host at all instead of any.  Envoy: CommonLbConfig."""

    panic_threshold: int = 50
    locality_weighted: bool = False
    fail_traffic_on_panic: bool = False


def pick_nothing(context: object) -> None:
    """The picker of nobody."""
    return


class _Panicking(Generic[HostT]):
    """Counts every choice that ignores health."""

    __slots__ = ("_panics", "_pick")

    def __init__(self, pick: Picker[HostT], panics: Counter) -> None:
        self._pick = pick
        self._panics = panics

    def pick(self, context: object) -> HostT | None:
        self._panics.value += 1
        return self._pick(context)


class _Prioritized(Generic[HostT]):
    """First a priority by its load, then a host in it."""

    __slots__ = ("_chance", "_degraded", "_healthy", "_load")

    def __init__(self, load: PriorityLoad, healthy: list[Picker[HostT]], degraded: list[Picker[HostT]], chance: Chance) -> None:
        self._load = load
        self._healthy = healthy
        self._degraded = degraded
        self._chance = chance

    def pick(self, context: object) -> HostT | None:
        priority, degraded = choose(self._load, self._chance())
        return (self._degraded if degraded else self._healthy)[priority](context)


def build(
    sets: Sequence[HostSet[HostT]], make: PickerMaker[HostT], settings: BalancerSettings, chance: Chance, panics: Counter
) -> Picker[HostT]:
    """The picker over *sets*, one per priority.  make: the policy.  panics: counts choices that ignored health."""
    if not any(hosts.hosts for hosts in sets):
        return pick_nothing
    load = spread(sets, settings.panic_threshold)
    healthy: list[Picker[HostT]] = []
    degraded: list[Picker[HostT]] = []
    for hosts, panic, share, degraded_share in zip(sets, load.panic, load.healthy, load.degraded, strict=True):
        if panic:
            everybody = _everybody(hosts, make, settings, panics)
            healthy.append(everybody)
            degraded.append(everybody)
        else:
            healthy.append(_among(hosts, hosts.healthy, make, settings) if share else pick_nothing)
            degraded.append(_among(hosts, hosts.degraded, make, settings) if degraded_share else pick_nothing)
    if 100 in load.healthy:
        return healthy[load.healthy.index(100)]
    return _Prioritized(load, healthy, degraded, chance).pick


def _everybody(hosts: HostSet[HostT], make: PickerMaker[HostT], settings: BalancerSettings, panics: Counter) -> Picker[HostT]:
    pick: Picker[HostT] = pick_nothing if settings.fail_traffic_on_panic or not hosts.hosts else make(hosts.hosts)
    return _Panicking(pick, panics).pick


def _among(
    hosts: HostSet[HostT], eligible: tuple[HostT, ...], make: PickerMaker[HostT], settings: BalancerSettings
) -> Picker[HostT]:
    if not eligible:
        return pick_nothing
    if settings.locality_weighted:
        by_weight = by_locality(hosts, frozenset(eligible), make)
        if by_weight is not None:
            return by_weight
    return make(eligible)
