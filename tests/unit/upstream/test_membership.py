from __future__ import annotations

from typing import Any

from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import Endpoint, HealthStatus, LoadAssignment, Locality, LocalityEndpoints
from dataplane.upstream.membership import NOBODY, update


def endpoint(host: str, **more: Any) -> Endpoint:
    return Endpoint(SocketAddress(host, 80), **more)


def locality(*endpoints: Endpoint, **more: Any) -> LocalityEndpoints:
    return LocalityEndpoints(more.pop("locality", Locality()), endpoints, **more)


def assignment(*localities: LocalityEndpoints, **more: Any) -> LoadAssignment:
    return LoadAssignment("c", localities, **more)


def test_hosts_are_matched_by_address() -> None:
    first = update(NOBODY, assignment(locality(endpoint("10.0.0.1"), endpoint("10.0.0.2"))))
    assert first.changed
    assert first.removed == ()
    one, two = first.membership.hosts.values()
    second = update(first.membership, assignment(locality(endpoint("10.0.0.2", weight=5), endpoint("10.0.0.3"))))
    assert second.removed == (one,)
    assert second.changed
    assert next(iter(second.membership.hosts.values())) is two
    assert two.weight == 5


def test_the_same_hosts_are_no_change_whatever_else_changed() -> None:
    first = update(NOBODY, assignment(locality(endpoint("10.0.0.1"))))
    (host,) = first.membership.hosts.values()
    host.flags |= 1
    moved = locality(
        endpoint("10.0.0.1", health_status=HealthStatus.DRAINING, metadata={"a": {}}),
        locality=Locality("r", "z"),
        priority=1,
        weight=7,
    )
    second = update(first.membership, assignment(moved, overprovisioning_factor=200))
    assert not second.changed
    assert host.describe_health() == "/failed_active_hc/eds_status_draining"
    assert (host.locality, host.priority, host.metadata, host.eds_health_status) == (
        Locality("r", "z"),
        1,
        {"a": {}},
        HealthStatus.DRAINING,
    )
    empty, second_priority = second.membership.sets()
    assert empty.hosts == ()
    assert (second_priority.hosts, second_priority.excluded, second_priority.overprovisioning_factor) == ((host,), 1, 200)
    assert second.membership.priorities[1][0].weight == 7


def test_eds_health_is_taken_back() -> None:
    first = update(NOBODY, assignment(locality(endpoint("10.0.0.1", health_status=HealthStatus.UNHEALTHY))))
    (host,) = first.membership.hosts.values()
    assert not host.is_healthy
    update(first.membership, assignment(locality(endpoint("10.0.0.1", health_status=HealthStatus.HEALTHY))))
    assert host.is_healthy


def test_an_address_named_twice_is_one_host() -> None:
    result = update(NOBODY, assignment(locality(endpoint("10.0.0.1"), endpoint("10.0.0.1")), locality(endpoint("10.0.0.1"))))
    assert len(result.membership.hosts) == 1
    (hosts,) = result.membership.sets()
    assert len(hosts.hosts) == 1


def test_another_name_behind_the_address_is_another_host() -> None:
    first = update(NOBODY, assignment(locality(endpoint("10.0.0.1", hostname="a"))))
    second = update(first.membership, assignment(locality(endpoint("10.0.0.1", hostname="b"))))
    assert len(second.removed) == 1
    assert second.changed


def test_nobody() -> None:
    assert update(NOBODY, assignment()).membership.sets() == ()
    assert not update(NOBODY, assignment()).changed


def test_a_removed_host_may_stay_where_it_was() -> None:
    near, far = Locality("r", "near"), Locality("r", "far")
    before = assignment(
        locality(endpoint("10.0.0.1"), locality=near, weight=2),
        locality(endpoint("10.0.0.2"), locality=far, priority=1, weight=3),
    )
    first = update(NOBODY, before)
    one, two = first.membership.hosts.values()
    after = assignment(locality(endpoint("10.0.0.3"), locality=near, weight=2))
    second = update(first.membership, after, keeps=lambda host: True)
    assert second.removed == ()
    assert second.changed
    assert one.describe_health() == two.describe_health() == "/pending_dynamic_removal"
    (nearby,), (distant,) = second.membership.priorities
    assert [str(host.address) for host in nearby.hosts] == ["10.0.0.3:80", "10.0.0.1:80"]
    assert (distant.hosts, distant.weight) == ((two,), 0)

    third = update(second.membership, before, keeps=lambda host: False)
    assert one.describe_health() == "healthy"
    assert [str(host.address) for host in third.removed] == ["10.0.0.3:80"]
