"""Which hosts a cluster has: endpoints as configured or discovered, matched by address with the hosts that live already.

Here: who stays, who comes, who goes.  Not here: pools and balancing (cluster).
A host that stays keeps its pools, counters and health whatever else about it changed.  An address named twice is one host.
Envoy: BaseDynamicClusterImpl::updateDynamicHostList.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dataplane.balancing.hosts import ALL_EDS_FLAGS, EDS_FLAGS, HostSet, LocalityHosts, host_set
from dataplane.base.address import Address
from dataplane.snapshot.cluster import Endpoint, LoadAssignment, LocalityEndpoints
from dataplane.upstream.host import UpstreamHost


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


def update(before: Membership, assignment: LoadAssignment) -> Update:
    """Match *assignment* with the hosts that live."""
    hosts: dict[Address, UpstreamHost] = {}
    by_priority: dict[int, list[LocalityHosts[UpstreamHost]]] = {}
    for locality in assignment.localities:
        here = [_host(hosts, before, endpoint, locality) for endpoint in _unseen(locality.endpoints, hosts)]
        by_priority.setdefault(locality.priority, []).append(LocalityHosts(tuple(here), locality.weight))
    highest = max(by_priority, default=-1)
    priorities = tuple(tuple(by_priority.get(priority, ())) for priority in range(highest + 1))
    removed = tuple(host for address, host in before.hosts.items() if hosts.get(address) is not host)
    changed = bool(removed) or len(hosts) != len(before.hosts)
    return Update(Membership(hosts, priorities, assignment.overprovisioning_factor), removed, changed)


def _unseen(endpoints: Iterable[Endpoint], hosts: Mapping[Address, UpstreamHost]) -> Iterable[Endpoint]:
    for endpoint in endpoints:
        if endpoint.address not in hosts:
            yield endpoint


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
    host.health_check_port = endpoint.health_check_port
    host.health_check_hostname = endpoint.health_check_hostname
    host.health_check_disabled = endpoint.health_check_disabled
    host.eds_health_status = endpoint.health_status
    host.flags = host.flags & ~ALL_EDS_FLAGS | EDS_FLAGS[int(endpoint.health_status)]
    return host
