"""Which names the configuration asks for, from the resources it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from dataplane.observe.stats import StatsStore
from dataplane.server.configuration import Configuration
from dataplane.server.resources import Resource, Static
from dataplane.server.sources import Sources
from dataplane.snapshot.cluster import Cluster, DiscoveryType, LoadAssignment
from dataplane.snapshot.config_source import AdsConfigSource, ConfigSource
from dataplane.snapshot.secret import SecretReference
from dataplane.snapshot.snapshot import Holder
from dataplane.xds import source as xds
from dataplane.xds.types import CLUSTER, ENDPOINT, SECRET


class RecordingClient:
    """What is asked for now, by type and source."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, xds.Source], Mapping[str, float]] = {}
        self.scope_of: dict[str, Callable[[str], Any]] = {}

    def subscribe(
        self, type_url: str, source: xds.Source, names: Mapping[str, float], scope_of: Callable[[str], Any], *_: float
    ) -> None:
        assert (type_url, source) not in self.names
        self.scope_of[type_url] = scope_of
        self.names[type_url, source] = dict(names)

    def set_names(self, type_url: str, source: xds.Source, names: Mapping[str, float]) -> None:
        assert (type_url, source) in self.names
        self.names[type_url, source] = dict(names)


def eds_cluster(name: str, timeout: float) -> Resource:
    source = ConfigSource(AdsConfigSource(), initial_fetch_timeout=timeout)
    cluster = Cluster(name, DiscoveryType.EDS, eds_service_name=name, eds_source=source)
    return Resource(name, cluster, b"")


def play(scenario: Callable[[Configuration, RecordingClient], None]) -> None:
    async def run() -> None:
        unused: Any = None
        configuration = Configuration(Holder(), unused, unused, Sources({}), StatsStore(), Static())
        client: Any = RecordingClient()
        configuration.follow(client, {CLUSTER})
        scenario(configuration, client)

    asyncio.run(run())


def test_clusters_that_wait_differently_long_share_a_subscription() -> None:
    def scenario(configuration: Configuration, client: RecordingClient) -> None:
        clusters = {"a": eds_cluster("a", 15.0), "b": eds_cluster("b", 0.0)}
        configuration.on_update(CLUSTER, clusters, (), "v1")
        assert client.names == {(ENDPOINT, xds.ADS): {"a": 15.0, "b": 0.0}}
        configuration.on_update(CLUSTER, {}, ("b",), "v2")
        assert client.names == {(ENDPOINT, xds.ADS): {"a": 15.0}}
        configuration.on_update(CLUSTER, {}, ("a",), "v3")
        assert client.names == {(ENDPOINT, xds.ADS): {}}

    play(scenario)


def test_what_is_no_longer_asked_for_is_forgotten() -> None:
    def scenario(configuration: Configuration, client: RecordingClient) -> None:
        configuration.on_update(CLUSTER, {"a": eds_cluster("a", 15.0)}, (), "v1")
        configuration.on_update(ENDPOINT, {"a": Resource("a", LoadAssignment("a", ()), b"")}, (), "v1")
        configuration.on_settled(ENDPOINT, "a")
        configuration.on_update(CLUSTER, {}, ("a",), "v2")
        assert configuration.discovered.resources[ENDPOINT] == {}
        assert configuration.discovered.settled[ENDPOINT] == set()

    play(scenario)


def test_a_secret_stays_while_it_is_needed_whatever_the_server_says() -> None:
    def scenario(configuration: Configuration, client: RecordingClient) -> None:
        reference = SecretReference("key", ConfigSource(AdsConfigSource()))
        cluster = Cluster("a", DiscoveryType.STATIC, secret_references=frozenset({reference}))
        configuration.on_update(CLUSTER, {"a": Resource("a", cluster, b"")}, (), "v1")
        configuration.on_update(SECRET, {"key": Resource("key", "value", b"")}, (), "v1")
        configuration.on_update(SECRET, {}, ("key",), "v2")
        assert configuration.secrets == {"key": "value"}
        configuration.on_update(CLUSTER, {}, ("a",), "v3")
        assert configuration.secrets == {}

    play(scenario)


def test_statistics_of_a_secret_are_called_after_it_and_go_when_nobody_needs_it() -> None:
    """Of one that is asked for later, too."""

    def needing(name: str) -> dict[str, Resource]:
        reference = SecretReference(name, ConfigSource(AdsConfigSource()))
        return {"a": Resource("a", Cluster("a", DiscoveryType.STATIC, secret_references=frozenset({reference})), name.encode())}

    def scenario(configuration: Configuration, client: RecordingClient) -> None:
        for version, name in enumerate(("first", "second", "third")):
            configuration.on_update(CLUSTER, needing(name), (), str(version))
            counter = client.scope_of[SECRET](name).counter("update_success")
            assert counter.name == f"sds.{name}.update_success"
            assert list(client.scope_of[SECRET](name).store.counters) == [counter.name]

    play(scenario)


def test_statistics_of_endpoints_are_their_clusters_and_stay_with_it() -> None:
    def called(service: str) -> dict[str, Resource]:
        source = ConfigSource(AdsConfigSource())
        return {"a": Resource("a", Cluster("a", DiscoveryType.EDS, eds_service_name=service, eds_source=source), b"")}

    def scenario(configuration: Configuration, client: RecordingClient) -> None:
        configuration.on_update(CLUSTER, called("one"), (), "v1")
        counter = client.scope_of[ENDPOINT]("one").counter("update_success")
        assert counter.name == "cluster.a.update_success"
        configuration.on_update(CLUSTER, called("two"), (), "v2")
        assert client.scope_of[ENDPOINT]("two").counter("update_success") is counter

    play(scenario)
