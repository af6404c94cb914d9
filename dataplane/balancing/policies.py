"""How one of several equally eligible hosts is chosen: round robin, least request, random.

Here: pickers over a fixed tuple of hosts, made anew when the tuple changes.  Not here: which hosts are eligible (balancer, priority, locality).
Chance is a function that the maker brings: a sample in [0, 1) per call.
Envoy: Cluster.LbPolicy; intro/arch_overview/upstream/load_balancing/load_balancers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from dataplane.balancing.edf import EdfScheduler
from dataplane.balancing.hosts import Host, HostT

Chance = Callable[[], float]

PickedT = TypeVar("PickedT", bound=Host, covariant=True)


class Picker(Protocol[PickedT]):
    """Chooses a host, or says that there is none.  context: what a policy may ask about the request, None where nothing may be asked."""

    def __call__(self, context: object) -> PickedT | None: ...


class PickerMaker(Protocol[HostT]):
    """A load balancing policy: makes the picker of some hosts, at least one."""

    def __call__(self, hosts: tuple[HostT, ...]) -> Picker[HostT]: ...


def _same_weight(hosts: tuple[HostT, ...]) -> bool:
    first = hosts[0].weight
    return all(host.weight == first for host in hosts)


class RoundRobin(Generic[HostT]):
    """The hosts in turn."""

    __slots__ = ("_hosts", "_next")

    def __init__(self, hosts: tuple[HostT, ...], start: int = 0) -> None:
        self._hosts = hosts
        self._next = start

    def pick(self, context: object) -> HostT:
        hosts = self._hosts
        index = self._next
        self._next = index + 1 if index + 1 < len(hosts) else 0
        return hosts[index]


class Scheduled(Generic[HostT]):
    """By an EDF scheduler: hosts with weights."""

    __slots__ = ("_scheduler",)

    def __init__(self, scheduler: EdfScheduler[HostT]) -> None:
        self._scheduler = scheduler

    def pick(self, context: object) -> HostT:
        return self._scheduler.pick()


class FewestOfSome(Generic[HostT]):
    """Of *choices* hosts drawn by chance (the same may be drawn twice) the one with the fewest active requests."""

    __slots__ = ("_chance", "_choices", "_hosts")

    def __init__(self, hosts: tuple[HostT, ...], choices: int, chance: Chance) -> None:
        self._hosts = hosts
        self._choices = choices
        self._chance = chance

    def pick(self, context: object) -> HostT:
        hosts, chance = self._hosts, self._chance
        count = len(hosts)
        best = hosts[int(chance() * count)]
        for _ in range(self._choices - 1):
            other = hosts[int(chance() * count)]
            if other.rq_active < best.rq_active:
                best = other
        return best


class Drawn(Generic[HostT]):
    """Any, weights or not."""

    __slots__ = ("_chance", "_hosts")

    def __init__(self, hosts: tuple[HostT, ...], chance: Chance) -> None:
        self._hosts = hosts
        self._chance = chance

    def pick(self, context: object) -> HostT:
        return self._hosts[int(self._chance() * len(self._hosts))]


def round_robin(chance: Chance) -> PickerMaker[HostT]:
    """ROUND_ROBIN: by weight where weights differ."""

    def make(hosts: tuple[HostT, ...]) -> Picker[HostT]:
        start = int(chance() * len(hosts))
        if _same_weight(hosts):
            return RoundRobin(hosts, start).pick
        scheduler = EdfScheduler(hosts, lambda host: host.weight)
        scheduler.skip(start)
        return Scheduled(scheduler).pick

    return make


def least_request(chance: Chance, choices: int = 2, active_request_bias: float = 1.0) -> PickerMaker[HostT]:
    """LEAST_REQUEST: some choices where weights are equal, else by weight / (active requests + 1) ^ bias."""

    def effective(host: HostT) -> float:
        return float(host.weight / (host.rq_active + 1) ** active_request_bias)

    def make(hosts: tuple[HostT, ...]) -> Picker[HostT]:
        if _same_weight(hosts):
            return FewestOfSome(hosts, choices, chance).pick
        scheduler = EdfScheduler(hosts, effective)
        scheduler.skip(int(chance() * len(hosts)))
        return Scheduled(scheduler).pick

    return make


def random(chance: Chance) -> PickerMaker[HostT]:
    """RANDOM: weights are not looked at, as in Envoy."""

    def make(hosts: tuple[HostT, ...]) -> Picker[HostT]:
        return Drawn(hosts, chance).pick

    return make
