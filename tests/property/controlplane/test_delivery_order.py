"""Make before break, whatever the interleaving: no route that a proxy uses ever names a cluster that the proxy has not.

Every published configuration is consistent in itself and shares as little as it likes with the one before.  No time passes: an
update that would only go on after a time-out shows as a client that does not converge.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.base.resource import DEFAULT_GROUP, Resource, ResourceSet, Revision
from controlplane.delivery.hub import Hub
from controlplane.delivery.status import NodeFacts, StreamKind
from tests.support.envoy_model import DeltaEnvoy, EnvoyModel, SotwEnvoy, cluster, endpoints, listener, route_config
from tests.support.fuzzing import fuzzed

NOW = 100.0
CLIENTS = {StreamKind.ADS_SOTW: SotwEnvoy, StreamKind.ADS_DELTA: DeltaEnvoy}

CLUSTERS = ("c1", "c2", "c3", "c4")
ROUTE_CONFIGS = ("r1", "r2", "r3")


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Resource]:
    """Clusters with endpoints, routes to some of them, listeners with some of the routes."""
    contents = draw(st.dictionaries(st.sampled_from(CLUSTERS), st.integers(0, 2), min_size=1))
    targets = draw(st.dictionaries(st.sampled_from(ROUTE_CONFIGS), st.sampled_from(sorted(contents)), min_size=1))
    listeners = draw(st.dictionaries(st.sampled_from(("l1", "l2")), st.sampled_from(sorted(targets))))
    salt = draw(st.integers(0, 1))
    found = [cluster(name, content) for name, content in contents.items()]
    found += [endpoints(name, salt) for name in contents]
    found += [route_config(name, to) for name, to in targets.items()]
    found += [listener(name, config) for name, config in listeners.items()]
    return {f"{each.type_url} {each.name}": each for each in found}


class Line:
    """A hub and one client, with messages under way in both directions."""

    def __init__(self, kind: StreamKind) -> None:
        self.hub = Hub(lambda _: DEFAULT_GROUP, lambda: NOW)
        self.stream = self.hub.open_stream(NodeFacts("n"), "peer", kind, lambda: None, NOW)
        self.client: EnvoyModel = CLIENTS[kind]()
        self.to_client: deque[bytes] = deque()
        self.revision = 0

    def publish(self, configuration: dict[str, Resource]) -> None:
        self.revision += 1
        by_type: dict[str, dict[str, Resource]] = {}
        for resource in configuration.values():
            by_type.setdefault(resource.type_url, {})[resource.name] = resource
        self.hub.publish(DEFAULT_GROUP, ResourceSet(Revision(self.revision), by_type))

    def server_reads(self) -> bool:
        if self.client.outbox:
            self.stream.receive(self.client.outbox.popleft(), NOW, NOW)
            return True
        return False

    def server_writes(self) -> bool:
        response = self.stream.next_response(NOW, NOW)
        if response is not None:
            self.to_client.append(response)
        return response is not None

    def client_reads(self) -> bool:
        if self.to_client:
            self.client.receive(self.to_client.popleft())
            self.client.check_invariants()
            return True
        return False

    def drain(self) -> None:
        while self.server_reads() | self.server_writes() | self.client_reads():
            pass


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.value)
@given(data=st.data())
@fuzzed(150)
def test_a_route_in_use_always_finds_its_cluster(kind: StreamKind, data: st.DataObject) -> None:
    line = Line(kind)
    moves = (line.server_reads, line.server_writes, line.client_reads)
    configuration: dict[str, Resource] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        configuration = data.draw(configurations())
        line.publish(configuration)
        for move in data.draw(st.lists(st.sampled_from(range(len(moves))), max_size=25)):
            moves[move]()
        if data.draw(st.booleans()):
            line.drain()
    line.drain()
    assert_converged(line, configuration)


def assert_converged(line: Line, configuration: dict[str, Resource]) -> None:
    client = line.client
    bodies = {key: each.body for key, each in configuration.items()}
    assert not client.warming
    assert not client.warming_listeners
    clusters = {cluster(name, int(each.alt_stat_name)).body for name, each in client.clusters.items()}
    assert clusters == {body for key, body in bodies.items() if ".Cluster " in key}
    listeners = {listener(name, config).body for name, config in client.listeners.items()}
    assert listeners == {body for key, body in bodies.items() if ".Listener " in key}
    assert {route_config(name, to).body for name, to in client.routes.items()} <= set(bodies.values())
    (status,) = line.hub.proxies()
    assert status.ready_revision == line.revision
    assert all(each.held == 0 for each in status.types)
