"""Weighted localities: which locality of a priority serves a request.

Envoy: CommonLbConfig.LocalityWeightedLbConfig; intro/arch_overview/upstream/load_balancing/locality_weight.
"""

from __future__ import annotations

from typing import Generic

from dataplane.balancing.edf import EdfScheduler
from dataplane.balancing.hosts import HostSet, HostT, LocalityHosts
from dataplane.balancing.policies import Picker, PickerMaker


def effective_weight(locality: LocalityHosts[HostT], eligible: int, excluded: int, overprovisioning_factor: int) -> float:
    """The weight of a locality, reduced once more hosts are missing than over-provisioning makes up for."""
    counted = len(locality.hosts) - excluded
    if counted <= 0 or not eligible:
        return 0.0
    return locality.weight * min(1.0, overprovisioning_factor / 100 * eligible / counted)


class LocalityPicker(Generic[HostT]):
    """First the locality by weight, then a host in it."""

    __slots__ = ("_scheduler",)

    def __init__(self, weighted: list[tuple[Picker[HostT], float]]) -> None:
        self._scheduler = EdfScheduler(weighted, lambda entry: entry[1])

    def pick(self, context: object) -> HostT | None:
        return self._scheduler.pick()[0](context)


def by_locality(hosts: HostSet[HostT], eligible: frozenset[HostT], make: PickerMaker[HostT]) -> Picker[HostT] | None:
    """A picker over the *eligible* hosts (the healthy, or the degraded ones) by locality; None where no locality has any weight."""
    weighted: list[tuple[Picker[HostT], float]] = []
    for locality in hosts.localities:
        here = tuple(host for host in locality.hosts if host in eligible)
        excluded = sum(1 for host in locality.hosts if host.is_excluded)
        weight = effective_weight(locality, len(here), excluded, hosts.overprovisioning_factor)
        if weight > 0:
            weighted.append((make(here), weight))
    return LocalityPicker(weighted).pick if weighted else None
