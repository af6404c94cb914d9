"""Requests that bring their own load by priority."""

from __future__ import annotations

from dataplane.balancing.by_priority import ByPriority
from dataplane.balancing.hosts import HealthFlag, Host, LocalityHosts, host_set
from dataplane.balancing.policies import Picker
from dataplane.base.address import SocketAddress

UNHEALTHY = int(HealthFlag.FAILED_ACTIVE_HC)
DEGRADED = int(HealthFlag.DEGRADED_ACTIVE_HC)


def host(port: int, flags: int = 0) -> Host:
    return Host(SocketAddress("127.0.0.1", port), flags=flags)


def by_priority(*priorities: tuple[Host, ...], chance: float = 0.0) -> tuple[ByPriority[Host], list[int]]:
    """Single priorities whose pickers take the first host, and the priorities whose picker was made."""
    sets = [host_set([LocalityHosts(hosts)]) for hosts in priorities]
    made: list[int] = []

    def make(priority: int) -> Picker[Host]:
        made.append(priority)
        return lambda context: next(iter(sets[priority].hosts), None)

    return ByPriority(sets, make, lambda: chance), made


def test_availability_counts_degraded_hosts_too() -> None:
    balanced, _ = by_priority((host(1), host(2, UNHEALTHY)), (host(3, DEGRADED),), (host(4, UNHEALTHY),), ())
    assert balanced.availability == (70, 100, 0, 0)


def test_a_host_of_the_priority_that_is_asked_for() -> None:
    first, second = host(1), host(2)
    balanced, made = by_priority((first,), (second,))
    assert balanced.pick([0, 100], None) is second
    assert balanced.pick([0, 100], None) is second
    assert made == [1]
    assert balanced.pick([100, 0], None) is first
    late, _ = by_priority((first,), (second,), chance=0.6)
    assert late.pick([50, 50], None) is second


def test_a_priority_without_hosts_has_none_to_offer() -> None:
    balanced, _ = by_priority((host(1),), ())
    assert balanced.pick([0, 100], None) is None
