"""What of a generation workers are told: everything."""

from __future__ import annotations

from dataclasses import fields, replace
from types import MappingProxyType

from dataplane.base.address import SocketAddress
from dataplane.extensions.filters.network.connection_limit import ConnectionLimit
from dataplane.server.resources import Resource
from dataplane.server.workers.board import GENERATION, Board, Key, ResourceFact
from dataplane.server.workers.publish import FindingsPublisher, Publisher
from dataplane.server.workers.shared_counts import Allotment, CountTable
from dataplane.server.workers.shared_failures import FailureBlocks, FailureTable
from dataplane.snapshot.listener import FilterChain, Listener
from dataplane.snapshot.snapshot import EMPTY, Snapshot
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

# Field of a snapshot → type of the resources that it is made of.  What is worked out from another field is made anew in each worker.
PARTS = {
    "listeners": LISTENER,
    "route_configurations": ROUTE,
    "clusters": CLUSTER,
    "assignments": ENDPOINT,
    "secrets": SECRET,
    "scopes": SCOPED_ROUTE,
}
WORKED_OUT = {"generation", "scopes_by_key"}
LISTENING_ON = SocketAddress("127.0.0.1", 80)
LISTENING = Listener("a", LISTENING_ON, ())


class World:
    def __init__(self) -> None:
        self.board = Board()
        self.changes = 0
        failures = FailureBlocks(FailureTable.create(2))
        self.findings = FindingsPublisher(self.board, failures, self._on_change, lambda stat_name: stat_name == "busy")
        self.publisher = Publisher(self.board, Allotment(CountTable.create(2)), self.findings, self._on_change)

    def _on_change(self) -> None:
        self.changes += 1

    def follow(self, previous: Snapshot, current: Snapshot, body: bytes = b"body") -> None:
        in_use = {
            type_url: {name: Resource(name, value, body) for name, value in getattr(current, part).items()}
            for part, type_url in PARTS.items()
        }
        self.publisher.follow(previous, current, in_use)


def generation(number: int, **parts: object) -> Snapshot:
    return replace(EMPTY, generation=number, **{name: MappingProxyType({"a": value}) for name, value in parts.items()})


def test_no_part_of_a_snapshot_is_forgotten() -> None:
    assert {field.name for field in fields(Snapshot)} == PARTS.keys() | WORKED_OUT
    world = World()
    world.follow(EMPTY, generation(1, **{**dict.fromkeys(PARTS, object()), "listeners": LISTENING}))
    told = {key.type_url for key in world.board.facts if key.kind == "resource"}
    assert told == set(PARTS.values())
    assert world.board.facts[Key(GENERATION)] == 1
    assert world.changes == 1


def test_only_what_changed_is_told() -> None:
    world = World()
    kept, old, new = LISTENING, object(), object()
    first = generation(1, clusters=old, listeners=kept)
    world.follow(EMPTY, first)
    reader = world.board.reader()
    reader.take()
    world.follow(first, generation(2, clusters=new, listeners=kept), b"new")
    changed, gone = reader.take()
    assert changed == {Key("resource", "a", CLUSTER): ResourceFact(b"new", True), Key(GENERATION): 2}
    assert not gone


def test_a_value_that_is_another_one_for_the_same_bytes_is_told_again() -> None:
    """A file that the resource names has changed."""
    world = World()
    first = generation(1, secrets=object())
    world.follow(EMPTY, first)
    reader = world.board.reader()
    reader.take()
    world.follow(first, generation(2, secrets=object()))
    changed, _ = reader.take()
    assert Key("resource", "a", SECRET) in changed


def test_a_cluster_that_is_gone_takes_its_findings_with_it() -> None:
    world = World()
    first = generation(1, clusters=object())
    world.follow(EMPTY, first)
    world.findings.names("a", {"a.test": ("10.0.0.1",)})
    world.findings.checks("a", {})
    world.findings.ejections("a", frozenset({LISTENING_ON}))
    world.findings.failures("a", [LISTENING_ON])
    assert world.board.facts[Key("failures", "a")] == {LISTENING_ON: 0}
    world.follow(first, generation(2))
    assert list(world.board.facts) == [Key(GENERATION)]


def test_findings_that_say_nothing_new_wake_nobody() -> None:
    world = World()
    for _ in range(2):
        world.findings.names("a", {"a.test": ("10.0.0.1",)})
        world.findings.failures("a", ())
    assert world.changes == 1
    assert world.findings.had_traffic("busy")
    assert not world.findings.had_traffic("idle")


def test_hosts_whose_failures_nobody_counts_any_more_have_no_blocks() -> None:
    world = World()
    assert world.findings.failures("a", [LISTENING_ON]).keys() == {LISTENING_ON}
    assert not world.findings.failures("a", ())
    assert not world.board.facts
    assert world.changes == 2


def test_clusters_and_filters_that_count_have_blocks_as_long_as_they_are_there() -> None:
    world = World()
    chain = FilterChain("", (ConnectionLimit("edge", 10),), key=b"chain")
    first = generation(1, clusters=object(), listeners=Listener("a", LISTENING_ON, (chain,)))
    world.follow(EMPTY, first)
    told = {key.name.split("/")[0]: fact for key, fact in world.board.facts.items() if key.kind == "counts"}
    assert told == {"cluster": 1, "filter": 2}
    world.follow(first, generation(2, clusters=first.clusters["a"], listeners=LISTENING))
    assert [key.name for key in world.board.facts if key.kind == "counts"] == ["cluster/a"]


def test_a_limited_listener_has_a_block() -> None:
    world = World()
    world.follow(EMPTY, generation(1, listeners=Listener("a", LISTENING_ON, (), connection_limit=3)))
    assert [key.name for key in world.board.facts if key.kind == "counts"] == ["listener/a"]
