"""What a request may want of the choice of its host: another one than before, loads of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dataplane.snapshot.cluster import (
    Cluster,
    DiscoveryType,
    LoadAssignment,
)
from tests.support.cluster_world import UpstreamServer, World, ended, endpoints, run, static
from tests.support.upstream_wire import Recorder


class Wanting:
    """A context that does not want some ports, or has its own loads by priority."""

    def __init__(self, unwanted: set[int], attempts: int, loads: Sequence[int] | None = None) -> None:
        self.loads = loads
        self.unwanted = unwanted
        self.attempts = attempts

    def hash_key(self) -> int | None:
        return None

    def excluded(self, host: Any) -> bool:
        return host.address.port in self.unwanted

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> Sequence[int] | None:
        return self.loads

    def selection_attempts(self) -> int:
        return self.attempts


def test_a_retry_gets_another_host_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as first, UpstreamServer() as second:
            world.apply(static("c", first.port, second.port))
            for _ in range(4):
                request = Recorder()
                world.cluster().open_stream(request, Wanting({first.port}, 3), 0)
                await ended(request)
            assert (first.requests, second.requests) == (0, 4)
            request = Recorder()
            world.cluster().open_stream(request, Wanting({first.port, second.port}, 3), 0)
            await ended(request)
            assert first.requests + second.requests == 5

    run(test)


def test_a_request_may_bring_its_own_loads_by_priority() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as first, UpstreamServer() as second:
            here, there = endpoints(first.port).localities[0], endpoints(second.port).localities[0]
            both = LoadAssignment("c", (here, replace(there, priority=1)))
            world.apply(Cluster("c", DiscoveryType.STATIC, load_assignment=both))
            for loads in ([0, 100], [0, 100], None):
                request = Recorder()
                world.cluster().open_stream(request, Wanting(set(), 0, loads), 0)
                await ended(request)
            assert (first.requests, second.requests) == (1, 2)

    run(test)
