"""Pickers of single priorities, for requests that bring their own load by priority: retries.

Over the same hosts as the cluster's picker, made only when somebody asks.  Not here: how a priority's hosts are chosen among (balancer).
Envoy: LoadBalancerContext::determinePriorityLoad.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Generic

from dataplane.balancing.hosts import HostSet, HostT
from dataplane.balancing.policies import Chance, Picker
from dataplane.balancing.priority import PriorityLoad, availability, choose


class ByPriority(Generic[HostT]):
    """make: the picker of one priority."""

    def __init__(self, sets: Sequence[HostSet[HostT]], make: Callable[[int], Picker[HostT]], chance: Chance) -> None:
        self._sets = sets
        self._make = make
        self._chance = chance
        self._pickers: dict[int, Picker[HostT]] = {}

    @cached_property
    def availability(self) -> tuple[int, ...]:
        """Per cent of its share that each priority can carry."""
        return tuple(sum(availability(hosts)) for hosts in self._sets)

    def pick(self, loads: Sequence[int], context: object) -> HostT | None:
        """loads: per cent for each priority, 100 in all."""
        nothing = (0,) * len(loads)
        priority, _ = choose(PriorityLoad(tuple(loads), nothing, ()), self._chance())
        picker = self._pickers.get(priority)
        if picker is None:
            picker = self._pickers[priority] = self._make(priority)
        return picker(context)
