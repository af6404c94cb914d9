"""Whatever the interleaving, every client ends up with what was published: SotW and delta, against model clients.

Messages travel in two queues, so requests and responses cross; revisions are published in between; clients refuse responses,
lose their connection with messages in flight, and come back with what they have, to the same hub or to a restarted one.
"""

from __future__ import annotations

from collections import deque

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from controlplane.base import type_url as urls
from controlplane.base.resource import DEFAULT_GROUP, Resource, ResourceSet, Revision
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.hub import Hub
from controlplane.delivery.order import Patience
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.status import NodeFacts, StreamKind
from controlplane.delivery.stream import XdsStream
from tests.support.fuzzing import fuzzed
from tests.support.xds_model import FULL_STATE, DeltaClient, SotwClient

NAMES = ("a", "b", "c", "d")
TYPES = (urls.CLUSTER, urls.CLUSTER_LOAD_ASSIGNMENT, urls.LISTENER, urls.ROUTE_CONFIGURATION)
NODE = NodeFacts("node")

types = st.sampled_from(TYPES)
some_names = st.frozensets(st.sampled_from(NAMES), max_size=4)
contents = st.dictionaries(st.tuples(types, st.sampled_from(NAMES)), st.integers(0, 2), max_size=12)


def resource(type_url: str, name: str, content: int) -> Resource:
    """A resource whose serialized form starts with its name."""
    if type_url == urls.CLUSTER:
        body = cluster_pb2.Cluster(name=name, alt_stat_name=str(content)).SerializeToString(deterministic=True)
    elif type_url == urls.CLUSTER_LOAD_ASSIGNMENT:
        policy = endpoint_pb2.ClusterLoadAssignment.Policy(overprovisioning_factor={"value": 100 + content})
        body = endpoint_pb2.ClusterLoadAssignment(cluster_name=name, policy=policy).SerializeToString(deterministic=True)
    else:
        message = route_pb2.RouteConfiguration(name=name, request_headers_to_remove=[str(content)])
        body = message.SerializeToString(deterministic=True)
    return Resource.of(type_url, name, body)


class Conversation(RuleBasedStateMachine):
    """One client, one hub, two queues of messages."""

    kind: StreamKind

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.revision = 0
        self.published: dict[tuple[str, str], Resource] = {}
        self.to_server: deque[SotwRequest | DeltaRequest] = deque()
        self.to_client: deque[bytes] = deque()
        self.hub = self.new_hub()
        self.stream = self.new_stream()

    def new_hub(self) -> Hub:
        return Hub(lambda _: DEFAULT_GROUP, lambda: self.now, Patience())

    def new_stream(self) -> XdsStream:
        return self.hub.open_stream(NODE, "peer", self.kind, lambda: None, self.now)

    def publish_now(self) -> None:
        by_type: dict[str, dict[str, Resource]] = {}
        for (type_url, name), found in self.published.items():
            by_type.setdefault(type_url, {})[name] = found
        self.hub.publish(DEFAULT_GROUP, ResourceSet(Revision(self.revision), by_type))

    @rule(content=contents)
    def publish(self, content: dict[tuple[str, str], int]) -> None:
        self.revision += 1
        self.published = {(url, name): resource(url, name, number) for (url, name), number in content.items()}
        self.publish_now()

    @precondition(lambda self: self.to_server)
    @rule()
    def server_reads(self) -> None:
        self.stream.receive(self.to_server.popleft(), self.now, self.now)

    @rule()
    def server_writes(self) -> None:
        response = self.stream.next_response(self.now, self.now)
        if response is not None:
            self.to_client.append(response)

    @precondition(lambda self: self.to_client)
    @rule(accept=st.sampled_from((True, True, True, False)))
    def client_reads(self, accept: bool) -> None:
        self.to_server.append(self.client_receives(self.to_client.popleft(), accept))

    @rule(seconds=st.sampled_from((0.1, 3.0, 6.0, 20.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(restarted=st.booleans())
    def reconnect(self, restarted: bool) -> None:
        self.hub.close_stream(self.stream)
        self.to_client.clear()
        self.to_server.clear()
        if restarted:
            self.hub = self.new_hub()
            if self.revision:
                self.publish_now()
        self.stream = self.new_stream()
        self.to_server.extend(self.client_hello())

    @rule()
    def settle(self) -> None:
        """Let everything arrive, refusals healed by new content, and compare."""
        self.drain()
        if any(known.refusing or known.refused for known in self.client_types().values()):
            self.revision += 1
            self.published = {(url, name): resource(url, name, self.revision + 10) for url in TYPES for name in NAMES}
            self.publish_now()
            self.drain()
        if self.revision:
            for type_url in self.client_types():
                self.check(type_url)
            status = self.hub.proxies()[0]
            assert all(each.held == 0 for each in status.types)
            if status.types:
                assert status.ready_revision == self.revision

    def teardown(self) -> None:
        self.settle()

    def drain(self) -> None:
        """Both directions until silence, then once more after every deadline has passed."""
        for _ in range(3):
            while self.step():
                pass
            self.now += 30.0

    def step(self) -> bool:
        before = len(self.to_client)
        self.server_writes()
        moved = len(self.to_client) > before
        while self.to_client:
            self.to_server.append(self.client_receives(self.to_client.popleft(), True))
            moved = True
        while self.to_server:
            self.server_reads()
            moved = True
        return moved

    def bodies(self, type_url: str) -> dict[str, bytes]:
        return {name: found.body for (url, name), found in self.published.items() if url == type_url}

    def client_receives(self, message: bytes, accept: bool) -> SotwRequest | DeltaRequest:
        raise NotImplementedError

    def client_hello(self) -> list[SotwRequest] | list[DeltaRequest]:
        raise NotImplementedError

    def client_types(self):  # type: ignore[no-untyped-def]  # one of two model types
        raise NotImplementedError

    def check(self, type_url: str) -> None:
        raise NotImplementedError


class SotwConversation(Conversation):
    kind = StreamKind.ADS_SOTW

    def __init__(self) -> None:
        self.client = SotwClient()
        super().__init__()

    @rule(type_url=types, names=some_names)
    def subscribe(self, type_url: str, names: frozenset[str]) -> None:
        self.to_server.append(self.client.subscribe(type_url, names))

    @rule(type_url=types, names=some_names)
    def subscribe_to_star(self, type_url: str, names: frozenset[str]) -> None:
        self.to_server.append(self.client.subscribe(type_url, names | {"*"}))

    def client_receives(self, message: bytes, accept: bool) -> SotwRequest:
        return self.client.receive(message, accept)

    def client_hello(self) -> list[SotwRequest]:
        return self.client.hello()

    def client_types(self):  # type: ignore[no-untyped-def]
        return self.client.types

    def check(self, type_url: str) -> None:
        known = self.client.types[type_url]
        wanted = self.bodies(type_url)
        if not known.is_wildcard:
            wanted = {name: body for name, body in wanted.items() if name in (known.names)}
        if type_url in FULL_STATE or known.is_wildcard:
            assert known.resources == wanted
        else:
            assert wanted.items() <= known.resources.items()


class DeltaConversation(Conversation):
    kind = StreamKind.ADS_DELTA

    def __init__(self) -> None:
        self.client = DeltaClient()
        super().__init__()

    @rule(type_url=types, names=some_names, star=st.booleans())
    def subscribe(self, type_url: str, names: frozenset[str], star: bool) -> None:
        if names or star or type_url not in self.client.types:
            self.to_server.append(self.client.subscribe(type_url, names | {"*"} if star else names))

    @rule(type_url=types, names=some_names, star=st.booleans())
    def unsubscribe(self, type_url: str, names: frozenset[str], star: bool) -> None:
        if type_url in self.client.types and (names or star):
            self.to_server.append(self.client.unsubscribe(type_url, names | {"*"} if star else names))

    def client_receives(self, message: bytes, accept: bool) -> DeltaRequest:
        return self.client.receive(message, accept)

    def client_hello(self) -> list[DeltaRequest]:
        return self.client.hello()

    def client_types(self):  # type: ignore[no-untyped-def]
        return self.client.types

    def check(self, type_url: str) -> None:
        known = self.client.types[type_url]
        wanted = self.bodies(type_url)
        if not known.wildcard:
            wanted = {name: body for name, body in wanted.items() if name in known.names}
        assert known.resources == wanted
        assert known.absent == known.names - wanted.keys()


TestSotw = SotwConversation.TestCase
TestDelta = DeltaConversation.TestCase
TestSotw.settings = TestDelta.settings = fuzzed(150, steps=40)
