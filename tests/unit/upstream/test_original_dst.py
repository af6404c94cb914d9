"""Destinations of a cluster of type ORIGINAL_DST: found, remembered while they are used, forgotten after."""

from __future__ import annotations

from collections.abc import Mapping

from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.observe.stream_info import StreamInfo
from dataplane.snapshot.cluster import LoadAssignment, OriginalDst
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.original_dst import OriginalDestinations
from tests.support.engine import FakeLoop

HERE = SocketAddress("10.0.0.1", 80)
THERE = SocketAddress("10.0.0.2", 81)


class Request:
    """An api.upstream.DestinationContext."""

    def __init__(self, restored: SocketAddress | None = None, header: bytes | None = None) -> None:
        self.info = StreamInfo()
        self.header = header
        if restored is not None:
            self.info.destination_restored = True
            self.info.downstream_local_address = restored

    def request_header(self, name: bytes) -> bytes | None:
        return self.header if name == b"x-where" else None


class World:
    def __init__(self, settings: OriginalDst) -> None:
        self.loop = FakeLoop()
        self.stats = StatsStore()
        self.hosts: dict[object, UpstreamHost] = {}
        self.assignments = 0
        deadlines = DeadlineWheel(self.loop.time, self.loop.call_at)
        self.invalid = self.stats.counter("invalid")
        self.subject = OriginalDestinations("to", settings, deadlines, self.assign, self.hosts.get, self.invalid)

    def assign(self, assignment: LoadAssignment) -> None:
        self.assignments += 1
        endpoints = assignment.localities[0].endpoints
        kept = {each.address: self.hosts.get(each.address) or UpstreamHost(each.address, each.hostname) for each in endpoints}
        self.hosts.clear()
        self.hosts.update(kept)

    def address(self, request: Request) -> object:
        host = self.subject.pick(request)
        return None if host is None else host.address


def test_the_restored_destination() -> None:
    world = World(OriginalDst())
    assert world.address(Request(HERE)) == HERE
    assert world.hosts[HERE].hostname == "to10.0.0.1:80"
    assert world.address(Request()) is None
    assert world.subject.pick(None) is None


def test_an_address_of_our_own_is_no_destination() -> None:
    request = Request()
    request.info.downstream_local_address = HERE
    assert World(OriginalDst()).address(request) is None


def test_the_header_goes_before_the_destination() -> None:
    world = World(OriginalDst(header_name=b"x-where"))
    assert world.address(Request(HERE, b"10.0.0.2:81")) == THERE
    assert world.address(Request(HERE)) == HERE
    assert world.invalid.value == 0
    assert world.address(Request(HERE, b"somewhere:80")) == HERE
    assert world.invalid.value == 1


def test_metadata_go_before_the_header_the_requests_first() -> None:
    def metadata(text: str) -> Mapping[str, object]:
        return {"lb": {"to": text}}

    world = World(OriginalDst(header_name=b"x-where", metadata_path=("lb", "to")))
    request = Request(HERE, b"10.0.0.9:9")
    request.info.connection_metadata = metadata("10.0.0.2:81")
    assert world.address(request) == THERE
    request.info.dynamic_metadata = metadata("10.0.0.3:82")
    assert world.address(request) == SocketAddress("10.0.0.3", 82)
    request.info.dynamic_metadata = request.info.connection_metadata = {"lb": "no mapping"}
    assert world.address(request) == SocketAddress("10.0.0.9", 9)


def test_the_port_may_be_another() -> None:
    assert World(OriginalDst(port_override=99)).address(Request(HERE)) == SocketAddress("10.0.0.1", 99)


def test_what_is_not_used_for_a_whole_interval_is_forgotten() -> None:
    world = World(OriginalDst(cleanup_interval=5.0))
    world.address(Request(HERE))
    world.loop.advance(4)
    world.address(Request(THERE))
    world.loop.advance(1.1)
    assert set(world.hosts) == {HERE, THERE}
    world.address(Request(THERE))
    world.loop.advance(5)
    assert set(world.hosts) == {THERE}
    world.loop.advance(10)
    assert not world.hosts
    assert world.assignments == 4
    assert world.address(Request(HERE)) == HERE


def test_nothing_happens_after_the_end() -> None:
    world = World(OriginalDst())
    world.address(Request(HERE))
    world.subject.stop()
    world.loop.advance(20)
    assert set(world.hosts) == {HERE}
