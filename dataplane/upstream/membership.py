"""Which hosts a cluster has: endpoints as configured or discovered, matched by address with the hosts that live already.

Here: who stays, who comes, who goes.  Not here: pools and balancing (cluster).
A host that stays keeps its pools, counters and health whatever else about it changed.  An address named twice is one host.
A host that is named no more may stay for a while because its active checks succeed.
Envoy: BaseDynamicClusterImpl::updateDynamicHostList.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dataplane.balancing.hosts import ALL_EDS_FLAGS, EDS_FLAGS, HealthFlag, HostSet, LocalityHosts, host_set
from dataplane.base.address import Address
from dataplane.snapshot.cluster import Endpoint, LoadAssignment, Locality, LocalityEndpoints
from dataplane.upstream.host import UpstreamHost

LEAVING: Final = int(HealthFlag.PENDING_DYNAMIC_REMOVAL)


@dataclass(frozen=True, slots=True)
class Membership:
    """The hosts of a cluster by address, and by priority and locality."""

    hosts: Mapping[Address, UpstreamHost]
    priorities: tuple[tuple[LocalityHosts[UpstreamHost], ...], ...]
    overprovisioning_factor: int = 140

    def sets(self) -> tuple[HostSet[UpstreamHost], ...]:
        """The host sets by priority, as healthy as the hosts are now."""
        return tuple(host_set(localities, self.overprovisioning_factor) for localities in self.priorities)


NOBODY = Membership({}, ())


@dataclass(frozen=True, slots=True)
class Update:
    """What an assignment makes of a membership."""

    membership: Membership
    removed: tuple[UpstreamHost, ...]
    changed: bool  # hosts came or went


def update(before: Membership, assignment: LoadAssignment, keeps: Callable[[UpstreamHost], bool] = lambda host: False) -> Update:
    """Match *assignment* with the hosts that live.  keeps: whether a host that is not in it stays all the same."""
    hosts: dict[Address, UpstreamHost] = {}
    members: dict[tuple[int, Locality], list[UpstreamHost]] = {}
    weights: dict[tuple[int, Locality], int] = {}
    for locality in assignment.localities:
        place = (locality.priority, locality.locality)
        weights[place] = weights.get(place, 0) or locality.weight
        here = members.setdefault(place, [])
        here += [_host(hosts, before, endpoint, locality) for endpoint in _unseen(locality.endpoints, hosts)]
    for address, host in before.hosts.items():
        if address not in hosts and keeps(host):
            hosts[address] = host
            host.flags |= LEAVING
            members.setdefault((host.priority, host.locality), []).append(host)
    removed = tuple(host for address, host in before.hosts.items() if hosts.get(address) is not host)
    changed = bool(removed) or len(hosts) != len(before.hosts)
    return Update(Membership(hosts, _by_priority(members, weights), assignment.overprovisioning_factor), removed, changed)


def _by_priority(
    members: Mapping[tuple[int, Locality], list[UpstreamHost]], weights: Mapping[tuple[int, Locality], int]
) -> tuple[tuple[LocalityHosts[UpstreamHost], ...], ...]:
    by_priority: list[list[LocalityHosts[UpstreamHost]]] = [
        [] for _ in range(max((place[0] for place in members), default=-1) + 1)
    ]
    for place, hosts in members.items():
        by_priority[place[0]].append(LocalityHosts(tuple(hosts), weights.get(place, 0)))
    return tuple(map(tuple, by_priority))


def _unseen(endpoints: Iterable[Endpoint], hosts: Mapping[Address, UpstreamHost]) -> Iterable[Endpoint]:
    for endpoint in endpoints:
        if endpoint.address not in hosts:
            yield endpoint


def _is_canary(metadata: Mapping[str, object]) -> bool:
    balancing = metadata.get("envoy.lb")
    return isinstance(balancing, Mapping) and balancing.get("canary") is True


def _host(
    hosts: dict[Address, UpstreamHost], before: Membership, endpoint: Endpoint, locality: LocalityEndpoints
) -> UpstreamHost:
    host = before.hosts.get(endpoint.address)
    if host is None or host.hostname != endpoint.hostname:
        host = UpstreamHost(endpoint.address, endpoint.hostname)
    hosts[endpoint.address] = host
    host.weight = endpoint.weight
    host.locality = locality.locality
    host.priority = locality.priority
    host.metadata = endpoint.metadata
    host.locality_metadata = locality.metadata
    host.added_tlvs = endpoint.added_tlvs
    host.canary = _is_canary(endpoint.metadata)
    host.health_check_port = endpoint.health_check_port
    host.health_check_hostname = endpoint.health_check_hostname
    host.health_check_disabled = endpoint.health_check_disabled
    host.eds_health_status = endpoint.health_status
    host.flags = host.flags & ~(ALL_EDS_FLAGS | LEAVING) | EDS_FLAGS[int(endpoint.health_status)]
    return host
