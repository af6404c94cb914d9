"""Which accepted values may be used now, and which have to wait for others, without I/O.

xDS delivers types one by one and in any order; nothing here depends on the order.  Rules, each in the function of its noun:
- A cluster with EDS waits for its first assignment, until its initial_fetch_timeout.
- A cluster or a listener waits for the secrets of its TLS, each until its initial_fetch_timeout.
- A route configuration waits for the clusters it names, each at most DEPENDENCY_TIMEOUT; so does what a listener names itself.
- A listener waits for its route configurations, until their initial_fetch_timeout.
- A scope waits for the route configuration it names; a listener with scoped routes waits for the first scopes, and for what those wait.
- While a value waits, the one in use stays in use, together with everything that it names, removed or not.
- A first version gains nothing by waiting once it is known what clusters there are; before that it waits like the others.

Not here: who accepted the values (client), the generation that is made of them (server.assembly).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from dataplane.routing.route import RouteConfiguration
from dataplane.routing.scopes import RouteScope
from dataplane.snapshot.cluster import Cluster, LoadAssignment
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.secret import SecretReference, SecretValue
from dataplane.snapshot.snapshot import Snapshot
from dataplane.xds.patience import Missing, Patience

# Long enough for a server that sends routes before clusters, short enough that a typing error does not hide for long.
DEPENDENCY_TIMEOUT: Final = 5.0
INITIAL_FETCH_TIMEOUT: Final = 15.0

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The last good value of everything.

    Values that did not change are the same objects, and so are mappings without a change: the work of a plan is in what changed.
    A mapping is never changed in place: it may be in use.
    assignments: by EDS service name.  secrets: by SecretReference.key.
    cds_settled: what clusters there are is known, because CDS answered or there is none.  srds_settled: the same of scopes.
    settled_*: names that were answered otherwise than by a value ("there is none"), or not in time.
    """

    listeners: Mapping[str, Listener]
    route_configurations: Mapping[str, RouteConfiguration]
    clusters: Mapping[str, Cluster]
    assignments: Mapping[str, LoadAssignment]
    cds_settled: bool = True
    settled_assignments: Collection[str] = ()
    settled_route_configurations: Collection[str] = ()
    secrets: Mapping[str, SecretValue] = field(default_factory=dict)
    settled_secrets: Collection[str] = ()
    scopes: Mapping[str, RouteScope] = field(default_factory=dict)
    srds_settled: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an accepted value is not in use yet: `what` (as `listener`, `edge`) waits for `missing` of kind `kind`."""

    what: str
    name: str
    kind: str
    missing: Missing


@dataclass(frozen=True, slots=True)
class Plan:
    """What to use now: the content of the next snapshot.

    held: clusters that were removed and are used on, because something in use names them.
    next_deadline: monotonic time at which another plan has to be made even if nothing arrives.
    """

    listeners: Mapping[str, Listener]
    route_configurations: Mapping[str, RouteConfiguration]
    clusters: Mapping[str, Cluster]
    assignments: Mapping[str, LoadAssignment]  # by cluster name
    held: frozenset[str]
    waiting: tuple[Waiting, ...]
    next_deadline: float | None
    scopes: Mapping[str, RouteScope] = field(default_factory=dict)


class Warming:
    """Remembers only since when things are missed; what is in use comes with each question.

    dependency_timeout: seconds for a cluster that somebody names.  rds_fetch_timeout: seconds for a route configuration, 0 for ever.
    """

    __slots__ = ("_assignments", "_clusters", "_dependency_timeout", "_rds_fetch_timeout", "_route_configurations", "_secrets")

    def __init__(self, dependency_timeout: float = DEPENDENCY_TIMEOUT, rds_fetch_timeout: float = INITIAL_FETCH_TIMEOUT) -> None:
        self._dependency_timeout = dependency_timeout
        self._rds_fetch_timeout = rds_fetch_timeout
        self._clusters = Patience()
        self._assignments = Patience()
        self._route_configurations = Patience()
        self._secrets = Patience()

    def plan(self, now: float, accepted: Accepted, in_use: Snapshot) -> Plan:
        """Decide what is used from now on.  in_use: what was made of the plan before."""
        waiting: list[Waiting] = []
        clusters = self._choose_clusters(now, accepted, in_use, waiting)
        routes = self._choose_route_configurations(now, accepted, in_use, clusters, waiting)
        scopes = self._choose_scopes(now, accepted, in_use, routes, waiting)
        listeners = self._choose_listeners(now, accepted, in_use, clusters, routes, waiting)
        if scopes is not accepted.scopes or not accepted.srds_settled:
            listeners = self._hold_new_scoped_listeners(now, listeners, in_use, waiting)
        self._settle(accepted, clusters)
        routes = _keep_named_route_configurations(routes, listeners, scopes, in_use)
        held = _held_clusters(clusters, routes, listeners, in_use)
        if held:
            clusters = {**clusters, **{name: in_use.clusters[name] for name in held}}
        deadlines = [wait.missing.deadline for wait in waiting if wait.missing.deadline is not None]
        return Plan(
            listeners,
            routes,
            clusters,
            _assignments(clusters, accepted, in_use),
            held,
            tuple(waiting),
            min(deadlines, default=None),
            scopes,
        )

    def _choose_scopes(
        self,
        now: float,
        accepted: Accepted,
        in_use: Snapshot,
        routes: Mapping[str, RouteConfiguration],
        waiting: list[Waiting],
    ) -> Mapping[str, RouteScope]:
        def ready(scope: RouteScope) -> bool:
            wanted = scope.route_configuration_name
            missing = [] if wanted in routes else self._missing_route_configurations(now, [wanted], accepted)
            waiting.extend(Waiting("scoped route", scope.name, "route configuration", item) for item in missing)
            # One that has arrived waits for clusters; the scope waits along, however long that is.
            return not missing and (wanted in routes or wanted not in accepted.route_configurations)

        return _choose(accepted.scopes, in_use.scopes, ready)

    def _choose_clusters(self, now: float, accepted: Accepted, in_use: Snapshot, waiting: list[Waiting]) -> Mapping[str, Cluster]:
        def ready(cluster: Cluster) -> bool:
            secrets = self._missing_secrets(now, cluster.secret_references, accepted)
            waiting.extend(Waiting("cluster", cluster.name, "secret", item) for item in secrets)
            return has_endpoints(cluster) and not secrets

        def has_endpoints(cluster: Cluster) -> bool:
            wanted = cluster.eds_service_name
            if not wanted or wanted in accepted.assignments or wanted in accepted.settled_assignments:
                return True
            missing = self._assignments.miss(wanted, now, cluster.eds_fetch_timeout)
            if missing is not None:
                waiting.append(Waiting("cluster", cluster.name, "assignment", missing))
            return missing is None

        return _choose(accepted.clusters, in_use.clusters, ready)

    def _choose_route_configurations(
        self, now: float, accepted: Accepted, in_use: Snapshot, clusters: Mapping[str, Cluster], waiting: list[Waiting]
    ) -> Mapping[str, RouteConfiguration]:
        def ready(routes: RouteConfiguration) -> bool:
            old = in_use.route_configurations.get(routes.name)
            patient = not accepted.cds_settled or old is not None
            absent = _absent_clusters(routes.cluster_names, clusters, old, in_use)
            missing = self._missing_clusters(now, absent) if patient else []
            waiting.extend(Waiting("route configuration", routes.name, "cluster", item) for item in missing)
            return not missing

        return _choose(accepted.route_configurations, in_use.route_configurations, ready)

    def _choose_listeners(
        self,
        now: float,
        accepted: Accepted,
        in_use: Snapshot,
        clusters: Mapping[str, Cluster],
        routes: Mapping[str, RouteConfiguration],
        waiting: list[Waiting],
    ) -> Mapping[str, Listener]:
        def ready(listener: Listener) -> bool:
            old = in_use.listeners.get(listener.name)
            patient = not accepted.cds_settled or old is not None
            reached = _newly_reached_clusters(listener, old, routes)
            missing = self._missing_clusters(now, _absent_clusters(reached, clusters, old, in_use)) if patient else []
            waiting.extend(Waiting("listener", listener.name, "cluster", item) for item in missing)
            absent = _absent_route_configurations(listener, routes, old, in_use)
            # One that has arrived waits for clusters; the listener waits along, however long that is.
            arrived = [name for name in absent if name in accepted.route_configurations]
            unanswered = self._missing_route_configurations(now, absent, accepted)
            waiting.extend(Waiting("listener", listener.name, "route configuration", item) for item in unanswered)
            secrets = self._missing_secrets(now, listener.secret_references, accepted)
            waiting.extend(Waiting("listener", listener.name, "secret", item) for item in secrets)
            return not missing and not arrived and not unanswered and not secrets

        return _choose(accepted.listeners, in_use.listeners, ready)

    def _hold_new_scoped_listeners(
        self, now: float, listeners: Mapping[str, Listener], in_use: Snapshot, waiting: list[Waiting]
    ) -> Mapping[str, Listener]:
        """Without the listeners that take scopes and are not in use yet: scopes are on their way, or wait for something.

        Scopes belong to no listener, so one that is in use goes on with those it has.  No deadline: SRDS and the scopes have theirs.
        """
        held = {name: each.srds_sources[0].name for name, each in listeners.items() if each.srds_sources}
        held = {name: wanted for name, wanted in held.items() if name not in in_use.listeners}
        waiting.extend(Waiting("listener", name, "scoped routes", Missing(wanted, now, None)) for name, wanted in held.items())
        return {name: listener for name, listener in listeners.items() if name not in held} if held else listeners

    def _missing_route_configurations(self, now: float, absent: Collection[str], accepted: Accepted) -> list[Missing]:
        """Those among *absent* whose first answer is worth waiting for."""
        unanswered = [
            name
            for name in absent
            if name not in accepted.route_configurations and name not in accepted.settled_route_configurations
        ]
        noted = [self._route_configurations.miss(name, now, self._rds_fetch_timeout) for name in unanswered]
        return [missing for missing in noted if missing is not None]

    def _missing_secrets(self, now: float, references: Collection[SecretReference], accepted: Accepted) -> list[Missing]:
        """Those among *references* whose first answer is worth waiting for."""
        noted = [
            self._secrets.miss(reference.name, now, reference.source.initial_fetch_timeout)
            for reference in references
            if reference.source is not None
            and reference.key not in accepted.secrets
            and reference.name not in accepted.settled_secrets
        ]
        return [missing for missing in noted if missing is not None]

    def _missing_clusters(self, now: float, absent: Collection[str]) -> list[Missing]:
        """The clusters among *absent* that are worth waiting for."""
        noted = [self._clusters.miss(name, now, self._dependency_timeout) for name in absent]
        return [missing for missing in noted if missing is not None]

    def _settle(self, accepted: Accepted, clusters: Collection[str]) -> None:
        """Forget since when things were missed that are there now."""
        self._clusters.settle(clusters, lambda: _named_clusters(accepted.route_configurations, accepted.listeners))
        self._assignments.settle(
            accepted.assignments, lambda: {cluster.eds_service_name for cluster in accepted.clusters.values()}
        )
        self._route_configurations.settle(
            accepted.route_configurations, lambda: _named_route_configurations(accepted.listeners, accepted.scopes)
        )
        self._secrets.settle(accepted.secrets, lambda: _named_secrets(accepted))


def _choose(accepted: Mapping[str, Value], in_use: Mapping[str, Value], ready: Callable[[Value], bool]) -> Mapping[str, Value]:
    """The new value where it is ready, else the one in use; names that are not accepted any more are left out."""
    if accepted is in_use:
        return accepted
    late = [name for name, new in accepted.items() if new is not in_use.get(name) and not ready(new)]
    if not late:
        return accepted
    chosen = dict(accepted)
    for name in late:
        if name in in_use:
            chosen[name] = in_use[name]
        else:
            del chosen[name]
    return chosen


def _absent_clusters(
    names: frozenset[str], clusters: Mapping[str, Cluster], old: RouteConfiguration | Listener | None, in_use: Snapshot
) -> frozenset[str]:
    """Those of *names* that cannot be used.  A removed cluster can, if *old*, the value in use, names it: it is held for it."""
    absent = names.difference(clusters)
    return absent - (old.cluster_names & in_use.clusters.keys()) if absent and old is not None else absent


def _absent_route_configurations(
    listener: Listener, routes: Mapping[str, RouteConfiguration], old: Listener | None, in_use: Snapshot
) -> frozenset[str]:
    """Those it names that cannot be used.  A removed one can, if *old*, the listener in use, names it: it is kept for it."""
    absent = listener.rds_names.difference(routes)
    return absent - (old.rds_names & in_use.route_configurations.keys()) if absent and old is not None else absent


def _newly_reached_clusters(listener: Listener, old: Listener | None, routes: Mapping[str, RouteConfiguration]) -> frozenset[str]:
    """Clusters that traffic can reach only once *listener* is in use: its own, and those of routes that it turns to."""
    turned_to = listener.rds_names - (old.rds_names if old is not None else frozenset())
    return listener.cluster_names.union(*(routes[name].cluster_names for name in turned_to if name in routes))


def _named_route_configurations(listeners: Mapping[str, Listener], scopes: Mapping[str, RouteScope]) -> set[str]:
    named = {name for listener in listeners.values() for name in listener.rds_names}
    return named | {scope.route_configuration_name for scope in scopes.values()}


def _keep_named_route_configurations(
    routes: Mapping[str, RouteConfiguration],
    listeners: Mapping[str, Listener],
    scopes: Mapping[str, RouteScope],
    in_use: Snapshot,
) -> Mapping[str, RouteConfiguration]:
    kept = {
        name: in_use.route_configurations[name]
        for name in _named_route_configurations(listeners, scopes)
        if name not in routes and name in in_use.route_configurations
    }
    return {**routes, **kept} if kept else routes


def _held_clusters(
    clusters: Mapping[str, Cluster],
    routes: Mapping[str, RouteConfiguration],
    listeners: Mapping[str, Listener],
    in_use: Snapshot,
) -> frozenset[str]:
    if clusters is in_use.clusters:
        return frozenset()
    gone = in_use.clusters.keys() - clusters.keys()
    return frozenset(gone & _named_clusters(routes, listeners)) if gone else frozenset()


def _named_clusters(routes: Mapping[str, RouteConfiguration], listeners: Mapping[str, Listener]) -> set[str]:
    named: set[str] = set()
    for configuration in routes.values():
        named |= configuration.cluster_names
    for listener in listeners.values():
        named |= listener.cluster_names
    return named


def _named_secrets(accepted: Accepted) -> set[str]:
    of_clusters = {each.name for cluster in accepted.clusters.values() for each in cluster.secret_references}
    return of_clusters | {each.name for listener in accepted.listeners.values() for each in listener.secret_references}


def _assignments(clusters: Mapping[str, Cluster], accepted: Accepted, in_use: Snapshot) -> dict[str, LoadAssignment]:
    """Endpoints of the clusters in use; the last known where the accepted ones went with the cluster's subscription."""
    found: dict[str, LoadAssignment] = {}
    for name, cluster in clusters.items():
        wanted = cluster.eds_service_name
        if not wanted:
            continue
        assignment = accepted.assignments.get(wanted)
        if assignment is None and name in in_use.assignments and in_use.clusters[name].eds_service_name == wanted:
            assignment = in_use.assignments[name]
        if assignment is not None:
            found[name] = assignment
    return found
