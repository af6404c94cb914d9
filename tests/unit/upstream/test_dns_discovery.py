"""When names are asked for, and what endpoints follow from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import Cluster, DiscoveryType, DnsSettings, Endpoint, LoadAssignment, Locality, LocalityEndpoints
from dataplane.upstream.cluster_stats import MembershipStats
from dataplane.upstream.dns_discovery import DnsDiscovery
from tests.support.fake_resolver import FakeResolver, settle
from tests.support.upstream_wire import Clock


class World:
    """One discovery with its clock, and the endpoints it told of: one list of `hostname=address` per update."""

    def __init__(
        self, resolver: FakeResolver, *names: str, discovery: DiscoveryType = DiscoveryType.STRICT_DNS, **dns: Any
    ) -> None:
        self.clock = Clock()
        self.store = StatsStore()
        self.updates: list[list[str]] = []
        endpoints = tuple(Endpoint(SocketAddress(name, 80)) for name in names)
        assignment = LoadAssignment("c", (LocalityEndpoints(Locality("r"), endpoints, weight=3),))
        config = Cluster("c", discovery, assignment, dns=DnsSettings(**dns))
        wheel = DeadlineWheel(self.clock.time, self.clock.call_at)
        stats = MembershipStats(self.store.scope("c."))
        self.discovery = DnsDiscovery(config, resolver, wheel, lambda: 1.0, stats, self.on_update)  # type: ignore[arg-type]
        self.discovery.start()

    def on_update(self, assignment: LoadAssignment) -> None:
        (locality,) = assignment.localities
        assert (locality.locality, locality.weight) == (Locality("r"), 3)
        self.updates.append([f"{endpoint.hostname}={endpoint.address}" for endpoint in locality.endpoints])

    def counted(self, name: str) -> int:
        return self.store.counter(f"c.{name}").value


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_every_address_of_a_strict_name_is_a_host() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        world = World(resolver, "a.test", "b.test")
        await settle()
        resolver.answer("a.test", "10.0.0.1", "10.0.0.2")
        await settle()
        assert world.updates == []  # the other name was not answered yet
        resolver.answer("b.test", "10.0.0.3")
        await settle()
        assert world.updates == [["a.test=10.0.0.1:80", "a.test=10.0.0.2:80", "b.test=10.0.0.3:80"]]
        assert (world.counted("update_attempt"), world.counted("update_success")) == (2, 2)

    run(test)


def test_a_logical_name_has_one_host() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1", "10.0.0.2")
        world = World(resolver, "a.test", discovery=DiscoveryType.LOGICAL_DNS)
        await settle()
        assert world.updates == [["a.test=10.0.0.1:80"]]

    run(test)


def test_ip_literals_and_pipes_need_no_answer() -> None:
    async def test() -> None:
        world = World(FakeResolver(), "10.0.0.9", "::1")
        assert world.updates == [["10.0.0.9=10.0.0.9:80", "::1=[::1]:80"]]
        assert world.counted("update_attempt") == 0

    run(test)


def test_a_pipe_passes() -> None:
    async def test() -> None:
        told: list[LoadAssignment] = []
        assignment = LoadAssignment("c", (LocalityEndpoints(Locality(), (Endpoint(PipeAddress("/s")),)),))
        clock = Clock()
        DnsDiscovery(
            Cluster("c", DiscoveryType.STRICT_DNS, assignment),
            FakeResolver(),  # type: ignore[arg-type]
            DeadlineWheel(clock.time, clock.call_at),
            lambda: 1.0,
            MembershipStats(StatsStore().scope("c.")),
            told.append,
        ).start()
        assert told == [assignment]

    run(test)


def test_names_are_asked_again_and_changes_are_told() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1")
        world = World(resolver, "a.test", refresh_rate=5.0)
        await settle()
        world.clock.advance(5.1)
        await settle()
        assert resolver.asked == ["a.test", "a.test"]
        assert (len(world.updates), world.counted("update_no_rebuild")) == (1, 1)
        resolver.answer("a.test", "10.0.0.2")
        world.clock.advance(5.1)
        await settle()
        assert world.updates[1:] == [["a.test=10.0.0.2:80"]]

    run(test)


def test_the_ttl_is_respected_where_asked() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1", ttl=30.0)
        world = World(resolver, "a.test", refresh_rate=5.0, respect_ttl=True)
        await settle()
        world.clock.advance(29.0)
        await settle()
        assert len(resolver.asked) == 1
        world.clock.advance(1.1)
        await settle()
        assert len(resolver.asked) == 2

    run(test)


def test_a_failing_name_keeps_its_addresses_and_backs_off() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1")
        world = World(resolver, "a.test", refresh_rate=5.0, failure_refresh_base=1.0, failure_refresh_max=3.0)
        await settle()
        resolver.fail("a.test")
        for wait in (5.1, 1.1, 2.1, 3.1, 3.1):
            asked = len(resolver.asked)
            world.clock.advance(wait - 0.2)
            await settle()
            assert len(resolver.asked) == asked
            world.clock.advance(0.2)
            await settle()
            assert len(resolver.asked) == asked + 1
        assert len(world.updates) == 1
        assert world.counted("update_failure") == 5
        resolver.answer("a.test", "10.0.0.2")
        world.clock.advance(3.1)
        await settle()
        assert world.updates[1:] == [["a.test=10.0.0.2:80"]]

    run(test)


def test_a_name_that_never_resolved_is_a_cluster_without_hosts() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.fail("a.test")
        world = World(resolver, "a.test", refresh_rate=5.0)
        await settle()
        assert world.updates == [[]]
        world.clock.advance(5.1)
        await settle()
        assert len(resolver.asked) == 2

    run(test)


def test_a_name_that_exists_no_more_loses_its_hosts() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1")
        world = World(resolver, "a.test", refresh_rate=5.0)
        await settle()
        resolver.answer("a.test")
        world.clock.advance(5.1)
        await settle()
        assert world.updates == [["a.test=10.0.0.1:80"], []]

    run(test)


def test_nothing_is_asked_after_stop() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1")
        world = World(resolver, "a.test", refresh_rate=5.0)
        await settle()
        world.discovery.stop()
        world.clock.advance(60.0)
        await settle()
        assert len(resolver.asked) == 1

        unanswered = World(FakeResolver(), "b.test")
        await settle()
        unanswered.discovery.stop()
        await settle()
        assert unanswered.updates == []

    run(test)


def test_handed_over_it_tells_the_new_listener_what_is_known() -> None:
    async def test() -> None:
        resolver = FakeResolver()
        resolver.answer("a.test", "10.0.0.1")
        world = World(resolver, "a.test")
        await settle()
        told: list[LoadAssignment] = []
        world.discovery.hand_over(told.append)
        assert told == [world.discovery.resolved]

    run(test)
