"""What clusters did since it was last asked: counts that only grow → loads of one period.

Here: which clusters are followed since when, and the arithmetic; the clock is an argument.
Not here: where the counts come from (facts), to whom loads are told (server.load_reports).  Envoy: LoadStatsReporterImpl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.snapshot.cluster import Locality
    from dataplane.upstream.facts import ClusterFacts, HostFacts


class Load(NamedTuple):
    """Requests of one period, and those that are under way at its end."""

    succeeded: int = 0
    failed: int = 0
    issued: int = 0
    active: int = 0

    def plus(self, other: Load) -> Load:
        return Load(*(one + another for one, another in zip(self, other, strict=True)))


_NOTHING = Load()


@dataclass(frozen=True, slots=True)
class LocalityLoad:
    """hosts: only those that have a load."""

    locality: Locality
    priority: int
    load: Load
    hosts: tuple[tuple[Address, Load], ...]


@dataclass(frozen=True, slots=True)
class ClusterLoad:
    """seconds: how long the period was.  dropped: requests, those by drop_overload among them."""

    name: str
    service_name: str
    localities: tuple[LocalityLoad, ...]
    dropped: int
    drop_overload: int
    drop_category: str
    seconds: float


@dataclass(slots=True)
class _Followed:
    """A cluster that is followed: when its period began, and the counts it began with.  hosts: active is the number at that time."""

    since: float
    hosts: dict[Address, Load]
    dropped: int = 0
    drop_overload: int = 0


class LoadTally:
    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}

    def follow(self, names: Iterable[str], clusters: Mapping[str, ClusterFacts], now: float) -> None:
        """These clusters from now on, and no others.  The period of one that is followed already goes on.

        One that does not exist yet is followed all the same: when it comes, all it did is reported.
        """
        before, self._followed = self._followed, {}
        for name in names:
            self._followed[name] = before.get(name) or _begun(clusters.get(name), now)

    def report(self, clusters: Mapping[str, ClusterFacts], now: float) -> list[ClusterLoad]:
        """The loads of all followed clusters that exist.  A new period begins for each."""
        loads = []
        for name, period in self._followed.items():
            facts = clusters.get(name)
            if facts is None:
                self._followed[name] = _Followed(period.since, {})
                continue
            loads.append(_load(facts, period, now))
            self._followed[name] = _begun(facts, now)
        return loads


def _begun(facts: ClusterFacts | None, now: float) -> _Followed:
    if facts is None:
        return _Followed(now, {})
    hosts = {host.address: _counts(host) for host in facts.hosts}
    return _Followed(now, hosts, facts.dropped, facts.drop_overload)


def _load(facts: ClusterFacts, period: _Followed, now: float) -> ClusterLoad:
    return ClusterLoad(
        name=facts.name,
        service_name=facts.eds_service_name,
        localities=tuple(_localities(facts, period)) if facts.has_localities else (),
        dropped=max(facts.dropped - period.dropped, 0),
        drop_overload=max(facts.drop_overload - period.drop_overload, 0),
        drop_category=facts.drop_category,
        seconds=now - period.since,
    )


def _localities(facts: ClusterFacts, period: _Followed) -> Iterable[LocalityLoad]:
    """Those with a load, by priority and name."""
    found: dict[tuple[int, Locality], list[tuple[Address, Load]]] = {}
    for host in facts.hosts:
        load = _since(period.hosts.get(host.address, _NOTHING), _counts(host))
        if load != _NOTHING:
            found.setdefault((host.priority, host.locality), []).append((host.address, load))
    for priority, locality in sorted(found, key=_place):
        hosts = found[priority, locality]
        total = _NOTHING
        for _, load in hosts:
            total = total.plus(load)
        yield LocalityLoad(locality, priority, total, tuple(hosts))


def _place(key: tuple[int, Locality]) -> tuple[int, str, str, str]:
    priority, locality = key
    return priority, locality.region, locality.zone, locality.sub_zone


def _counts(host: HostFacts) -> Load:
    count = host.counters
    return Load(count["rq_success"], count["rq_error"], count["rq_total"], host.gauges["rq_active"])


def _since(before: Load, now: Load) -> Load:
    """Counts get smaller when a worker dies, or a host goes and comes back: what is not known is not reported."""
    succeeded, failed, issued = (max(one - other, 0) for one, other in zip(now[:3], before[:3], strict=True))
    return Load(succeeded, failed, issued, now.active)
