"""A configuration that arrives piece by piece, and what `Warming` lets into use of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dataplane.base.address import SocketAddress
from dataplane.routing.route import RouteConfiguration
from dataplane.routing.scopes import RouteScope
from dataplane.snapshot.cluster import Cluster, DiscoveryType, LoadAssignment
from dataplane.snapshot.config_source import ADS, ConfigSource
from dataplane.snapshot.listener import Listener, SrdsSource
from dataplane.snapshot.snapshot import EMPTY, Snapshot
from dataplane.xds.warming import Accepted, Plan, Warming


def static_cluster(name: str) -> Cluster:
    return Cluster(name, DiscoveryType.STATIC)


def eds_cluster(name: str, service_name: str = "", timeout: float = 15.0) -> Cluster:
    return Cluster(name, DiscoveryType.EDS, eds_service_name=service_name or name, eds_fetch_timeout=timeout)


def assignment(name: str) -> LoadAssignment:
    return LoadAssignment(name, ())


def scoped_listener(name: str) -> Listener:
    """Its connection manager takes scopes from SRDS."""
    source = SrdsSource("scopes", ConfigSource(ADS), ConfigSource(ADS), name)
    return replace(listener(name), srds_sources=(source,))


def routes(name: str, *clusters: str) -> RouteConfiguration:
    return RouteConfiguration(name, (), frozenset(clusters))


def listener(name: str, *rds_names: str, clusters: tuple[str, ...] = ()) -> Listener:
    address = SocketAddress("127.0.0.1", 1)
    return Listener(name, address, (), rds_names=frozenset(rds_names), cluster_names=frozenset(clusters))


@dataclass(slots=True)
class World:
    """Every change is followed by a plan, and every plan is put into use, as assembly does."""

    warming: Warming = field(default_factory=Warming)
    accepted: Accepted = field(default_factory=lambda: Accepted({}, {}, {}, {}))
    in_use: Snapshot = EMPTY
    now: float = 1000.0

    def plan(self) -> Plan:
        plan = self.warming.plan(self.now, self.accepted, self.in_use)
        self.in_use = Snapshot(
            self.in_use.generation + 1,
            plan.listeners,
            plan.route_configurations,
            plan.clusters,
            plan.assignments,
            scopes=plan.scopes,
        )
        return plan

    def after(self, seconds: float) -> Plan:
        self.now += seconds
        return self.plan()

    def clusters(self, *values: Cluster) -> Plan:
        """These are all the clusters there are."""
        self.accepted = replace(self.accepted, clusters={value.name: value for value in values})
        return self.plan()

    def assignments(self, *names: str) -> Plan:
        """These are all the assignments there are; those that were there before are the same objects."""
        old = self.accepted.assignments
        self.accepted = replace(self.accepted, assignments={name: old.get(name) or assignment(name) for name in names})
        return self.plan()

    def routes(self, *values: RouteConfiguration) -> Plan:
        self.accepted = replace(self.accepted, route_configurations={value.name: value for value in values})
        return self.plan()

    def scopes(self, **table_of: str) -> Plan:
        """These are all the scopes there are, each with the route configuration that it names."""
        old = self.accepted.scopes
        new = {name: RouteScope(name, (name.encode(),), table) for name, table in table_of.items()}
        self.accepted = replace(
            self.accepted, scopes={name: old[name] if old.get(name) == each else each for name, each in new.items()}
        )
        return self.plan()

    def listeners(self, *values: Listener) -> Plan:
        self.accepted = replace(self.accepted, listeners={value.name: value for value in values})
        return self.plan()
