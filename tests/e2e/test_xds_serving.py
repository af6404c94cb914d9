"""Real Envoy as a client of our discovery services: ADS in both protocols, and a stream per type.

It starts, serves what was published, follows updates, tells why it refuses one, and is left alone by a control plane that was
restarted with the same content.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controlplane.base import type_url as urls
from controlplane.base.resource import GroupName
from controlplane.delivery.status import EventKind
from tests.support import bootstraps
from tests.support.discovery_server import DiscoveryServer
from tests.support.envoy_process import envoy_process
from tests.support.origin import Origin
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import PATIENCE, wait_until
from tests.support.xds_resources import ADS, api_source, eds_cluster, endpoints, rds_listener, routes

pytestmark = [pytest.mark.e2e, pytest.mark.differential]

KINDS = ("GRPC", "DELTA_GRPC")
NODE = "envoy-1"
LISTENER = "web"


class World:
    """One Envoy on one server.  apart: each type has a stream of its own instead of sharing ADS."""

    def __init__(self, server: DiscoveryServer, kind: str, apart: bool) -> None:
        self.server = server
        self.source = api_source(kind) if apart else ADS
        self.revision = 0

    def publish(
        self, origin: Origin, cluster: str = "blue", cluster_more: dict[str, Any] | None = None, **routes_more: Any
    ) -> int:
        """A listener whose one route leads to the cluster."""
        self.revision += 1
        self.server.publish(
            self.revision,
            eds_cluster(cluster, self.source, **(cluster_more or {})),
            endpoints(cluster, origin.port),
            rds_listener(LISTENER, "edge", self.source),
            routes("edge", cluster, **routes_more),
        )
        return self.revision

    def wait_ready(self, revision: int) -> None:
        wait_until(lambda: self.server.ready(NODE, revision), f"revision {revision} acknowledged")


def bootstrap(port: int, kind: str, apart: bool) -> dict[str, Any]:
    plain = bootstraps.ads(port, NODE, kind)
    if apart:
        source = api_source(kind, bootstraps.XDS_CLUSTER)
        plain["dynamic_resources"] = {"lds_config": source, "cds_config": source}
    return plain


@contextmanager
def started(world: World, kind: str, apart: bool, directory: Path) -> Iterator[ProxyProcess]:
    envoy = envoy_process(bootstrap(world.server.port, kind, apart), directory)
    try:
        envoy.start()
        yield envoy
    finally:
        envoy.kill()


def get(envoy: ProxyProcess) -> str:
    """The body of a request through the listener; the status where it is no 200."""
    connection = http.client.HTTPConnection("127.0.0.1", envoy.wait_listeners([LISTENER])[LISTENER], timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    return body if response.status == 200 else f"status {response.status}"


@pytest.mark.parametrize("apart", [False, True], ids=["ads", "apart"])
@pytest.mark.parametrize("kind", KINDS)
def test_envoy_serves_what_was_published_and_follows_updates(kind: str, apart: bool, tmp_path: Path) -> None:
    with DiscoveryServer() as server:
        blue, green = server.origin("blue"), server.origin("green")
        world = World(server, kind, apart)
        first = world.publish(blue)
        with started(world, kind, apart, tmp_path) as envoy:
            world.wait_ready(first)
            assert get(envoy) == "blue"
            world.wait_ready(world.publish(green, cluster="green"))
            assert get(envoy) == "green"
            world.wait_ready(world.publish(blue, cluster="green", cluster_more={"lb_policy": "RANDOM"}))
            assert get(envoy) == "blue"
            wait_until(lambda: "blue" not in clusters_of(envoy), "the old cluster is gone")


def clusters_of(envoy: ProxyProcess) -> set[str]:
    return {line.partition("::")[0] for line in envoy.admin.get("/clusters").splitlines()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_seen_with_its_words_and_healed(kind: str, tmp_path: Path) -> None:
    with DiscoveryServer() as server:
        blue = server.origin("blue")
        world = World(server, kind, apart=False)
        first = world.publish(blue)
        with started(world, kind, False, tmp_path) as envoy:
            world.wait_ready(first)
            # Valid by its proto rules, but refused by Envoy: a ring that is larger at least than at most.
            bad = {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 9, "maximum_ring_size": 3}}
            revision = world.publish(blue, cluster_more=bad)
            wait_until(lambda: nack_text(server), "a NACK")
            status = server.type_status(NODE, urls.CLUSTER)
            assert status is not None
            assert (status.nacked_revision, status.acked_revision, status.rejecting) == (revision, first, True)
            assert "ring" in status.nack_text
            proxy = server.proxy(NODE)
            assert proxy is not None
            assert proxy.ready_revision == first
            assert get(envoy) == "blue"
            nacks = [event for event in server.events if event.kind is EventKind.NACKED]
            assert [(nack.node_id, nack.type_url, nack.revision) for nack in nacks] == [(NODE, urls.CLUSTER, revision)]
            world.wait_ready(world.publish(blue))


def nack_text(server: DiscoveryServer) -> str:
    status = server.type_status(NODE, urls.CLUSTER)
    return "" if status is None else status.nack_text


@pytest.mark.parametrize("kind", KINDS)
def test_a_restarted_control_plane_with_the_same_content_sends_no_listener_and_no_cluster(kind: str, tmp_path: Path) -> None:
    with DiscoveryServer() as server:
        blue = server.origin("blue")
        world = World(server, kind, apart=False)
        first = world.publish(blue)
        with started(world, kind, False, tmp_path) as envoy:
            world.wait_ready(first)
            before = updates(envoy)
            server.restart()
            world.revision = 40  # the same content under another revision
            world.wait_ready(world.publish(blue))
            assert updates(envoy) == before
            assert get(envoy) == "blue"
            status = server.type_status(NODE, urls.CLUSTER)
            assert status is not None
            assert (status.acked_revision, status.acked_version) == (41, f"41-{status.sent_version.partition('-')[2]}")


def updates(envoy: ProxyProcess) -> tuple[int, int]:
    stats = envoy.admin.stats("manager.[cl]ds.update_success")
    return stats["cluster_manager.cds.update_success"], stats["listener_manager.lds.update_success"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_changes_its_group_travels_there(kind: str, tmp_path: Path) -> None:
    with DiscoveryServer() as server:
        blue, green = server.origin("blue"), server.origin("green")
        world = World(server, kind, apart=False)
        first = world.publish(blue)
        server.publish(
            2,
            eds_cluster("canary"),
            endpoints("canary", green.port),
            rds_listener(LISTENER, "edge"),
            routes("edge", "canary"),
            group=GroupName("canary"),
        )
        with started(world, kind, False, tmp_path) as envoy:
            world.wait_ready(first)
            assert get(envoy) == "blue"
            server.assign(NODE, GroupName("canary"))
            world.wait_ready(2)
            assert get(envoy) == "green"
            proxy = server.proxy(NODE)
            assert proxy is not None
            assert proxy.group == "canary"
            assert proxy.node.user_agent_name == "envoy"
            assert proxy.node.user_agent_version.startswith("1.")
