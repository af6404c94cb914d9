"""A dialogue with one stream of a hub, without I/O: a test reads as what the client says and what it is told.

The clock stands still until the test moves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.hub import Hub
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.status import NodeFacts, ProxyStatus, StreamKind, TypeStatus

NODE = NodeFacts("node")

# What a group has: type URL → name → content.  Equal contents are equal resources.
Contents = Mapping[str, Mapping[str, str]]


def resources(revision: int, contents: Contents) -> ResourceSet:
    by_type = {
        type_url: {name: Resource.of(type_url, name, _body(name, content)) for name, content in by_name.items()}
        for type_url, by_name in contents.items()
    }
    return ResourceSet(Revision(revision), by_type)


@dataclass(frozen=True, slots=True)
class Said:
    """A response.  resources: content by name."""

    type_url: str
    version: str
    nonce: str
    resources: dict[str, str]
    removed: frozenset[str] = frozenset()


class Talk:
    """One hub, one stream.  A second stream of the same hub is another Talk with `hub=`."""

    kind = StreamKind.ADS_SOTW

    def __init__(
        self, hub: Hub | None = None, node: NodeFacts = NODE, peer: str = "peer", kind: StreamKind | None = None
    ) -> None:
        self.now = 100.0
        self.hub = hub or Hub(lambda _: DEFAULT_GROUP, lambda: self.now)
        self.woken = 0
        self.stream = self.hub.open_stream(node, peer, kind or self.kind, self._wake, self.now)

    def _wake(self) -> None:
        self.woken += 1

    def publish(self, revision: int, contents: Contents, group: GroupName = DEFAULT_GROUP) -> None:
        self.hub.publish(group, resources(revision, contents))

    def next(self) -> Said | None:
        """The next response, if there is one now."""
        message = self.stream.next_response(self.now, self.now)
        return None if message is None else self._parse(message)

    def hear(self) -> Said:
        """The next response; there must be one."""
        said = self.next()
        assert said is not None, "nothing to hear"
        return said

    def hear_all(self) -> list[Said]:
        """Responses until silence, each acknowledged at once."""
        heard = []
        while (said := self.next()) is not None:
            heard.append(said)
            self.ack(said)
        return heard

    def is_silent(self) -> bool:
        return self.next() is None

    def ack(self, said: Said) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.hub.close_stream(self.stream)

    @property
    def status(self) -> ProxyStatus:
        return self.hub.proxies()[0]

    def type_status(self, type_url: str) -> TypeStatus:
        (found,) = (each for each in self.status.types if each.type_url == type_url)
        return found

    def _parse(self, message: bytes) -> Said:
        raise NotImplementedError


def _body(name: str, content: str) -> bytes:
    """A message whose field 1 is `NAME=CONTENT`."""
    text = f"{name}={content}".encode()
    return bytes((0x0A, len(text))) + text


def _content(body: bytes) -> tuple[str, str]:
    name, _, content = body[2:].decode().partition("=")
    return name, content


class SotwTalk(Talk):
    """The client lists all it wants with every request; `ask` remembers it for the answers."""

    def __init__(
        self, hub: Hub | None = None, node: NodeFacts = NODE, peer: str = "peer", kind: StreamKind | None = None
    ) -> None:
        super().__init__(hub, node, peer, kind)
        self._names: dict[str, tuple[str, ...]] = {}

    def ask(self, type_url: str, *names: str, version: str = "", nonce: str = "") -> None:
        self._names[type_url] = names
        self._send(SotwRequest(type_url, names, version, nonce))

    def ack(self, said: Said) -> None:
        self._send(SotwRequest(said.type_url, self._names[said.type_url], said.version, said.nonce))

    def nack(self, said: Said, text: str) -> None:
        self._send(SotwRequest(said.type_url, self._names[said.type_url], "", said.nonce, text))

    def _send(self, request: SotwRequest) -> None:
        self.stream.receive(request, self.now, self.now)

    def _parse(self, message: bytes) -> Said:
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        return Said(
            response.type_url, response.version_info, response.nonce, dict(_content(each.value) for each in response.resources)
        )


class DeltaTalk(Talk):
    """The client says what to add and what to drop."""

    kind = StreamKind.ADS_DELTA

    def ask(
        self,
        type_url: str,
        *subscribe: str,
        unsubscribe: Iterable[str] = (),
        versions: Mapping[str, str] | None = None,
        nonce: str = "",
    ) -> None:
        self._send(DeltaRequest(type_url, subscribe, tuple(unsubscribe), versions or {}, nonce))

    def ack(self, said: Said) -> None:
        self._send(DeltaRequest(said.type_url, nonce=said.nonce))

    def nack(self, said: Said, text: str) -> None:
        self._send(DeltaRequest(said.type_url, nonce=said.nonce, error=text))

    def _send(self, request: DeltaRequest) -> None:
        self.stream.receive(request, self.now, self.now)

    def _parse(self, message: bytes) -> Said:
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        for each in response.resources:
            assert each.resource.type_url == response.type_url
            assert each.version == Resource.of(response.type_url, each.name, each.resource.value).version
        found = dict(_content(each.resource.value) for each in response.resources)
        return Said(response.type_url, response.system_version_info, response.nonce, found, frozenset(response.removed_resources))
