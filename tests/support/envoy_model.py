"""A model of how Envoy uses ADS: it derives what it asks for from what it gets, and warms before it uses.

Clusters and listeners by wildcard; endpoints of every cluster and routes of every listener by name.  A changed cluster warms
until endpoints *arrive*, and the ACK of clusters waits for that; a listener warms until its routes are known.  As observed on
Envoy 1.40, delta does not ask again for endpoints that it has.

`check_invariants` says what a request would suffer from: a route in use whose cluster is not there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base import type_url as urls
from controlplane.base.resource import Resource
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.sotw import SotwRequest


def cluster(name: str, content: int) -> Resource:
    """The name of its endpoints is not its own name."""
    eds = cluster_pb2.Cluster.EdsClusterConfig(service_name=f"{name}-endpoints")
    message = cluster_pb2.Cluster(name=name, eds_cluster_config=eds, alt_stat_name=str(content))
    return Resource.of(urls.CLUSTER, name, message.SerializeToString(deterministic=True))


def endpoints(cluster_name: str, content: int) -> Resource:
    name = f"{cluster_name}-endpoints"
    policy = endpoint_pb2.ClusterLoadAssignment.Policy(overprovisioning_factor={"value": 100 + content})
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name, policy=policy)
    return Resource.of(urls.CLUSTER_LOAD_ASSIGNMENT, name, message.SerializeToString(deterministic=True))


def listener(name: str, route_config: str) -> Resource:
    message = listener_pb2.Listener(name=name, stat_prefix=route_config)
    return Resource.of(urls.LISTENER, name, message.SerializeToString(deterministic=True))


def route_config(name: str, cluster_name: str) -> Resource:
    message = route_pb2.RouteConfiguration(name=name, request_headers_to_remove=[cluster_name])
    return Resource.of(urls.ROUTE_CONFIGURATION, name, message.SerializeToString(deterministic=True))


class EnvoyModel:
    """What is the same for both protocols; `outbox` holds its requests in order."""

    def __init__(self) -> None:
        self.outbox: deque[SotwRequest | DeltaRequest] = deque()
        self.warming: dict[str, cluster_pb2.Cluster] = {}
        self.clusters: dict[str, cluster_pb2.Cluster] = {}
        self.warming_listeners: dict[str, str] = {}
        self.listeners: dict[str, str] = {}  # name → route configuration
        self.routes: dict[str, str] = {}  # route configuration → cluster
        self.wanted_endpoints: set[str] = set()
        self.wanted_routes: set[str] = set()
        self._clusters_to_answer: list[str] = []

    def check_invariants(self) -> None:
        for name, config in self.listeners.items():
            assert self.routes[config] in self.clusters, f"listener {name} routes to {self.routes[config]}, which is not there"

    def receive(self, message: bytes) -> None:
        raise NotImplementedError

    def ask(self, type_url: str, before: set[str], after: set[str]) -> None:
        """The names wanted of a type have changed."""
        raise NotImplementedError

    def answer(self, type_url: str, nonce: str) -> None:
        raise NotImplementedError

    def take(self, type_url: str, nonce: str, found: Mapping[str, bytes], removed: set[str]) -> None:
        """Apply one response.  removed: in SotW, what a response in full has left out."""
        match type_url:
            case urls.CLUSTER:
                self._take_clusters(found, removed)
                self._clusters_to_answer.append(nonce)
            case urls.CLUSTER_LOAD_ASSIGNMENT:
                self._take_endpoints(found)
                self.answer(type_url, nonce)
            case urls.LISTENER:
                self._take_listeners(found, removed)
                self.answer(type_url, nonce)
            case urls.ROUTE_CONFIGURATION:
                for name, body in found.items():
                    self.routes[name] = route_pb2.RouteConfiguration.FromString(body).request_headers_to_remove[0]
                self._listeners_warm_up()
                self.answer(type_url, nonce)
        if self._clusters_to_answer and not self.warming:
            for each in self._clusters_to_answer:
                self.answer(urls.CLUSTER, each)
            self._clusters_to_answer.clear()

    def _take_clusters(self, found: Mapping[str, bytes], removed: set[str]) -> None:
        for name in removed:
            self.clusters.pop(name, None)
            self.warming.pop(name, None)
        for name, body in found.items():
            message = cluster_pb2.Cluster.FromString(body)
            if message != self.warming.get(name, self.clusters.get(name)):
                self.warming[name] = message
        every = {**self.clusters, **self.warming}.values()
        before, self.wanted_endpoints = self.wanted_endpoints, {each.eds_cluster_config.service_name for each in every}
        self.ask(urls.CLUSTER_LOAD_ASSIGNMENT, before, self.wanted_endpoints)

    def _take_endpoints(self, found: Mapping[str, bytes]) -> None:
        for name, message in list(self.warming.items()):
            if message.eds_cluster_config.service_name in found:
                self.clusters[name] = self.warming.pop(name)

    def _take_listeners(self, found: Mapping[str, bytes], removed: set[str]) -> None:
        for name in removed:
            self.listeners.pop(name, None)
            self.warming_listeners.pop(name, None)
        for name, body in found.items():
            self.warming_listeners[name] = listener_pb2.Listener.FromString(body).stat_prefix
        self._listeners_warm_up()

    def _listeners_warm_up(self) -> None:
        for name, config in list(self.warming_listeners.items()):
            if config in self.routes:
                self.listeners[name] = self.warming_listeners.pop(name)
        before = self.wanted_routes
        self.wanted_routes = set(self.listeners.values()) | set(self.warming_listeners.values())
        self.routes = {name: to for name, to in self.routes.items() if name in self.wanted_routes}
        self.ask(urls.ROUTE_CONFIGURATION, before, self.wanted_routes)


class SotwEnvoy(EnvoyModel):
    """Envoy with `api_type: GRPC`."""

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[str, str] = {}
        self._nonces: dict[str, str] = {}
        self._full: dict[str, set[str]] = {urls.CLUSTER: set(), urls.LISTENER: set()}
        self._received: dict[str, str] = {}  # nonce → version
        self.outbox.extend(SotwRequest(type_url) for type_url in (urls.CLUSTER, urls.LISTENER))

    def receive(self, message: bytes) -> None:
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        found = {name_of(response.type_url, each.value): each.value for each in response.resources}
        removed = self._full.get(response.type_url, set()) - found.keys()
        if response.type_url in self._full:
            self._full[response.type_url] = set(found)
        self._received[response.nonce] = response.version_info
        self._nonces[response.type_url] = response.nonce
        self.take(response.type_url, response.nonce, found, removed)

    def ask(self, type_url: str, before: set[str], after: set[str]) -> None:
        if before != after or type_url == urls.CLUSTER_LOAD_ASSIGNMENT:
            self._request(type_url)

    def answer(self, type_url: str, nonce: str) -> None:
        if nonce == self._nonces[type_url]:  # of several, only the last response is answered
            self._versions[type_url] = self._received[nonce]
            self._request(type_url)

    def _request(self, type_url: str) -> None:
        names = {urls.CLUSTER_LOAD_ASSIGNMENT: self.wanted_endpoints, urls.ROUTE_CONFIGURATION: self.wanted_routes}
        wanted = tuple(sorted(names.get(type_url, ())))
        self.outbox.append(SotwRequest(type_url, wanted, self._versions.get(type_url, ""), self._nonces.get(type_url, "")))


class DeltaEnvoy(EnvoyModel):
    """Envoy with `api_type: DELTA_GRPC`."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox.extend(DeltaRequest(type_url) for type_url in (urls.CLUSTER, urls.LISTENER))

    def receive(self, message: bytes) -> None:
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        found = {each.name: each.resource.value for each in response.resources}
        self.take(response.type_url, response.nonce, found, set(response.removed_resources))

    def ask(self, type_url: str, before: set[str], after: set[str]) -> None:
        if before != after:
            new, old = tuple(sorted(after - before)), tuple(sorted(before - after))
            self.outbox.append(DeltaRequest(type_url, subscribe=new, unsubscribe=old))

    def answer(self, type_url: str, nonce: str) -> None:
        self.outbox.append(DeltaRequest(type_url, nonce=nonce))


def name_of(type_url: str, body: bytes) -> str:
    match type_url:
        case urls.CLUSTER:
            return cluster_pb2.Cluster.FromString(body).name
        case urls.CLUSTER_LOAD_ASSIGNMENT:
            return endpoint_pb2.ClusterLoadAssignment.FromString(body).cluster_name
        case urls.LISTENER:
            return listener_pb2.Listener.FromString(body).name
    return route_pb2.RouteConfiguration.FromString(body).name
