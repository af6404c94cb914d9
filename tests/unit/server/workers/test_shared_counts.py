"""What several workers count together, each in its own cells."""

from __future__ import annotations

import pytest

from dataplane.observe.stats import StatsStore
from dataplane.resilience.circuit import Breakers
from dataplane.server.workers.shared_counts import Allotment, Counts, CountTable, ToldBlocks


class World:
    """The main process and its workers, each with a mapping of its own."""

    def __init__(self, workers: int) -> None:
        self.allotment = Allotment(CountTable.create(workers))
        self.main = Counts(self.allotment.table, self.allotment)
        self.told = [ToldBlocks() for _ in range(workers)]
        self.workers = [
            Counts(CountTable(self.allotment.table.descriptor, workers), told, number) for number, told in enumerate(self.told)
        ]

    def tell(self, name: str) -> int:
        block = self.allotment.block(name)
        assert block is not None
        for told in self.told:
            told.by_name[name] = block
        return block


def breakers(counts: Counts, store: StatsStore, *, requests: int = 3) -> Breakers:
    return Breakers(store.scope("b."), 2, 1, requests, 1, track_remaining=True, counts=counts.breakers("app", 0))


@pytest.mark.parametrize("workers", [2, 3])
def test_a_limit_holds_for_all_together(workers: int) -> None:
    world = World(workers)
    world.tell("cluster/app")
    every = [breakers(counts, StatsStore()).requests for counts in world.workers]
    for each in (every[0], every[1], every[-1]):
        assert each.can_create()
        each.inc()
    assert [each.active for each in every] == [3] * workers
    assert not any(each.can_create() for each in every)
    every[1].dec()
    assert all(each.can_create() for each in every)


def test_the_main_process_shows_what_is_open_and_what_remains() -> None:
    world, store = World(2), StatsStore()
    shown = breakers(world.main, store)
    world.tell("cluster/app")
    one, other = (breakers(counts, StatsStore()) for counts in world.workers)
    one.requests.inc()
    other.requests.inc()
    other.connections.inc()
    shown.show()
    assert store.gauge("b.remaining_rq").value == 1
    assert store.gauge("b.remaining_cx").value == 1
    assert store.gauge("b.rq_open").value == 0
    one.requests.inc()
    shown.show()
    assert store.gauge("b.rq_open").value == 1


def test_connections_are_taken_up_to_the_limit_and_never_beyond() -> None:
    world = World(3)
    every = [counts.connections() for counts in world.workers]
    taken = [each.take(4) for each in every + every]
    assert sum(taken) == 4
    assert every[0].total == 4
    every[2].add(-1)
    assert every[1].take(4)


def test_what_a_dead_worker_had_is_free_again() -> None:
    world = World(2)
    world.tell("cluster/app")
    world.tell("filter/edge")
    for counts in world.workers:
        breakers(counts, StatsStore()).requests.inc()
        found = counts.filter("edge")
        assert found is not None
        found.add(2)
        counts.connections().add(5)
    world.allotment.clear(0)
    left = world.workers[1].filter("edge")
    assert left is not None
    assert (left.total, world.main.connections().total) == (2, 5)
    assert breakers(world.main, StatsStore()).requests.active == 1


def test_priorities_and_clusters_have_counts_of_their_own() -> None:
    world = World(2)
    world.tell("cluster/app")
    world.tell("cluster/other")
    counts = world.workers[0]
    groups = [counts.breakers(cluster, priority) for cluster in ("app", "other") for priority in (0, 1)]
    cells = [count for group in groups if group is not None for count in group]
    assert len(cells) == 16
    cells[5].add(1)
    assert [count.total for count in cells] == [int(number == 5) for number in range(16)]


def test_without_a_block_a_worker_counts_for_itself() -> None:
    assert World(2).workers[0].breakers("app", 0) is None
    assert World(2).workers[0].filter("edge") is None


def test_a_block_is_used_again_when_nobody_counts_in_it() -> None:
    world = World(2)
    first = world.tell("cluster/app")
    count = world.workers[1].breakers("app", 1)
    assert count is not None
    count[3].add(1)
    world.allotment.free("cluster/app")
    second = world.tell("cluster/second")
    assert second != first
    count[3].add(-1)
    assert world.tell("cluster/third") == first
    assert world.tell("cluster/third") == first


def test_a_limit_of_a_listener_is_counted_beside_whose_turn_it_is() -> None:
    world = World(2)
    assert world.workers[0].listener("edge") is None
    world.tell("listener/edge")
    counts = [each.listener("edge") for each in world.workers]
    turns = world.workers[0].turns("edge")
    assert counts[0] is not None
    assert counts[1] is not None
    assert turns is not None
    turns.add(1)
    turns.on_accepted()
    assert [counts[0].take(2), counts[1].take(2), counts[0].take(2)] == [True, True, False]
    assert counts[1].total == 2
