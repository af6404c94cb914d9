"""Whatever the order in which types arrive: the same end, and never a route to a cluster that only the order has taken away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.routing.route import RouteConfiguration
from dataplane.snapshot.cluster import Cluster, LoadAssignment
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.snapshot import Snapshot
from dataplane.xds.warming import DEPENDENCY_TIMEOUT, Plan
from tests.support.warming_world import World, assignment, eds_cluster, listener, routes, static_cluster

CLUSTERS = ("A", "B", "C", "D")
ROUTES = ("R", "S")
LISTENERS = ("L", "M")
TYPES = ("clusters", "assignments", "route_configurations", "listeners")


@dataclass(frozen=True, slots=True)
class Revision:
    """A consistent configuration: what is named is there."""

    clusters: Mapping[str, Cluster]
    assignments: Mapping[str, LoadAssignment]
    route_configurations: Mapping[str, RouteConfiguration]
    listeners: Mapping[str, Listener]


def subset(names: Iterable[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(sorted(names))).map(lambda chosen: tuple(sorted(chosen))) if names else st.just(())


@st.composite
def revisions(draw: st.DrawFn) -> list[Revision]:
    """One after another; a value that does not change is the same object in the next."""
    found = []
    pool: dict[Any, Any] = {}
    for _ in range(draw(st.integers(1, 4))):
        dynamic = set(draw(subset(CLUSTERS)))
        present = draw(subset(CLUSTERS))
        named_routes = draw(subset(ROUTES))
        clusters = [eds_cluster(name) if name in dynamic else static_cluster(name) for name in present]
        tables = [routes(name, *draw(subset(present))) for name in named_routes]
        sockets = [
            listener(name, *draw(subset(named_routes)), clusters=draw(subset(present))) for name in draw(subset(LISTENERS))
        ]
        values = [[pool.setdefault(repr(value), value) for value in kind] for kind in (clusters, tables, sockets)]
        waiting = {name: pool.setdefault((name, "eds"), assignment(name)) for name in present if name in dynamic}
        found.append(Revision(_by_name(values[0]), waiting, _by_name(values[1]), _by_name(values[2])))
    return found


def _by_name(values: Iterable[Any]) -> dict[str, Any]:
    return {value.name: value for value in values}


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Revision], list[str]]:
    """Revisions, and the order in which their types arrive; each type's own revisions stay in order."""
    history = draw(revisions())
    return history, draw(st.permutations(sorted(TYPES * len(history))))


class Delivery:
    """Plays one order and checks every step."""

    def __init__(self) -> None:
        self.world = World()
        self.missed_since: dict[str, float] = {}

    def play(self, history: list[Revision], order: list[str], pauses: Iterable[float] = ()) -> None:
        remaining = {kind: iter(history) for kind in TYPES}
        pause = iter(pauses)
        for kind in order:
            self.world.now += next(pause, 0.0)
            value = getattr(next(remaining[kind]), kind)
            self.world.accepted = replace(self.world.accepted, **{kind: value})
            self.step()

    def step(self) -> Plan:
        before = self.world.in_use
        self._note_missing(before)
        plan = self.world.plan()
        after = self.world.in_use
        check_nothing_named_was_taken_away(before, after)
        self._check_changes_have_their_clusters(before, after)
        check_only_known_values(before, after, self.world)
        assert self.world.warming.plan(self.world.now, self.world.accepted, after) == plan
        return plan

    def _note_missing(self, before: Snapshot) -> None:
        named = {name for value in _values(self.world.accepted) for name in value.cluster_names}
        for name in before.clusters:
            self.missed_since.pop(name, None)
        for name in named - before.clusters.keys():
            self.missed_since.setdefault(name, self.world.now)

    def _check_changes_have_their_clusters(self, before: Snapshot, after: Snapshot) -> None:
        """What takes the place of something that serves may lack only clusters that were waited for long enough."""
        for name, value in after.route_configurations.items():
            if before.route_configurations.get(name, value) is not value:
                self._check_lacks_only_hopeless(value.cluster_names, after)
        for name, value in after.listeners.items():
            old = before.listeners.get(name, value)
            if old is not value:
                turned_to = value.rds_names - old.rds_names
                reached = [
                    after.route_configurations[route].cluster_names for route in turned_to if route in after.route_configurations
                ]
                self._check_lacks_only_hopeless(value.cluster_names.union(*reached), after)

    def _check_lacks_only_hopeless(self, names: frozenset[str], after: Snapshot) -> None:
        for name in names - after.clusters.keys():
            assert self.world.now - self.missed_since[name] >= DEPENDENCY_TIMEOUT, name


def _values(holder: Any) -> list[Any]:
    return [*holder.route_configurations.values(), *holder.listeners.values()]


def check_nothing_named_was_taken_away(before: Snapshot, after: Snapshot) -> None:
    named = {name for value in _values(after) for name in value.cluster_names}
    assert not (named & before.clusters.keys()) - after.clusters.keys()
    for value in after.listeners.values():
        assert not (value.rds_names & before.route_configurations.keys()) - after.route_configurations.keys()
    for name, cluster in after.clusters.items():
        kept = before.clusters.get(name)
        if kept is not None and kept.eds_service_name == cluster.eds_service_name:
            assert name in after.assignments or name not in before.assignments


def check_only_known_values(before: Snapshot, after: Snapshot, world: World) -> None:
    for kind in ("clusters", "route_configurations", "listeners"):
        accepted, old = getattr(world.accepted, kind), getattr(before, kind)
        for name, value in getattr(after, kind).items():
            assert value is accepted.get(name) or value is old.get(name)


def content(snapshot: Snapshot) -> tuple[Mapping[str, Any], ...]:
    return (snapshot.clusters, snapshot.assignments, snapshot.route_configurations, snapshot.listeners)


@given(deliveries())
def test_every_order_ends_with_the_last_revision_in_use(delivery: tuple[list[Revision], list[str]]) -> None:
    history, order = delivery
    played = Delivery()
    played.play(history, order)
    last = history[-1]
    assert content(played.world.in_use) == (last.clusters, last.assignments, last.route_configurations, last.listeners)
    plan = played.step()
    assert (plan.held, plan.waiting, plan.next_deadline) == (frozenset(), (), None)


@given(deliveries(), st.lists(st.sampled_from([0.0, 1.0, 4.0, 6.0, 20.0])))
def test_time_that_passes_changes_nothing_about_the_end(delivery: tuple[list[Revision], list[str]], pauses: list[float]) -> None:
    history, order = delivery
    played = Delivery()
    played.play(history, order, pauses)
    last = history[-1]
    assert content(played.world.in_use) == (last.clusters, last.assignments, last.route_configurations, last.listeners)


@given(deliveries(), st.integers(0, 15))
def test_nothing_waits_longer_than_its_deadlines(delivery: tuple[list[Revision], list[str]], cut: int) -> None:
    """Cut off in the middle, everything accepted is in use once the deadlines have passed."""
    history, order = delivery
    played = Delivery()
    played.play(history, order[:cut])
    for _ in range(20):
        plan = played.step()
        if plan.next_deadline is None:
            break
        assert plan.next_deadline > played.world.now
        played.world.now = plan.next_deadline
    accepted, in_use = played.world.accepted, played.world.in_use
    assert plan.waiting == ()
    assert in_use.listeners == accepted.listeners
    for kind in ("clusters", "route_configurations"):
        used = getattr(in_use, kind)
        assert {name: used[name] for name in getattr(accepted, kind)} == getattr(accepted, kind)
