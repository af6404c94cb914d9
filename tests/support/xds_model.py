"""Model xDS clients: what a correct client would hold after each message, without I/O.

They work from the protocol's text alone and know nothing of the server's reasoning, so the two can be compared.
A response may be refused: then resources stay as they were, and its names are remembered until they are sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base import type_url as urls
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.sotw import SotwRequest

FULL_STATE = (urls.LISTENER, urls.CLUSTER)
REFUSAL = "the client does not like it"


def name_in(type_url: str, body: bytes) -> str:
    """Every message these tests use has its name as field 1, and nothing before it."""
    del type_url
    length = body[1]
    return body[2 : 2 + length].decode()


@dataclass(slots=True)
class SotwType:
    """One type as a SotW client sees it.  legacy: it has never named anything, which means everything.

    refusing: whether it refused the last response.
    """

    names: frozenset[str] = frozenset()
    legacy: bool = False
    version: str = ""
    nonce: str = ""
    resources: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, bytes] = field(default_factory=dict)
    refusing: bool = False

    @property
    def is_wildcard(self) -> bool:
        return self.legacy or "*" in self.names


class SotwClient:
    """All types of one SotW client.  Survives its streams: `hello` begins a new one."""

    def __init__(self) -> None:
        self.types: dict[str, SotwType] = {}

    def subscribe(self, type_url: str, names: Iterable[str]) -> SotwRequest:
        """Want these names from now on; no names on first sight of a listener or cluster type are the legacy wildcard."""
        wanted = frozenset(names)
        known = self.types.setdefault(type_url, SotwType(legacy=type_url in FULL_STATE))
        known.names, known.legacy = wanted, known.legacy and not wanted
        if not known.is_wildcard:
            known.resources = {name: body for name, body in known.resources.items() if name in wanted}
            known.version = ""  # it has not got all of that version any more
        return self._request(type_url)

    def hello(self) -> list[SotwRequest]:
        """The first requests of a new stream.  Types without any wish are left out: there an empty list would ask for everything."""
        for known in self.types.values():
            known.nonce = ""
        return [self._request(type_url) for type_url, known in self.types.items() if known.names or known.legacy]

    def receive(self, message: bytes, accept: bool = True) -> SotwRequest:
        """Take in a response; the request that answers it."""
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        known = self.types[response.type_url]
        known.nonce = response.nonce
        known.refusing = not accept
        bodies = {name_in(any_.type_url, any_.value): any_.value for any_ in response.resources}
        assert len(bodies) == len(response.resources), "a name twice in one response"
        assert all(any_.type_url == response.type_url for any_ in response.resources)
        if not accept:
            known.refused.update(bodies)
            return self._request(response.type_url, REFUSAL)
        known.version = response.version_info if known.is_wildcard or known.names else ""
        wanted = bodies if known.is_wildcard else {n: b for n, b in bodies.items() if n in (known.names)}
        if response.type_url in FULL_STATE or known.is_wildcard:
            known.resources = wanted
            known.refused.clear()
        else:
            known.resources.update(wanted)
            known.refused = {name: body for name, body in known.refused.items() if name not in bodies}
        return self._request(response.type_url)

    def _request(self, type_url: str, error: str | None = None) -> SotwRequest:
        known = self.types[type_url]
        return SotwRequest(type_url, tuple(sorted(known.names)), known.version, known.nonce, error)


@dataclass(slots=True)
class DeltaType:
    """One type as a delta client sees it.  absent: names it was told do not exist."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    resources: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    refused: dict[str, bytes] = field(default_factory=dict)
    refusing: bool = False

    def forget(self, name: str) -> None:
        self.resources.pop(name, None)
        self.versions.pop(name, None)
        self.refused.pop(name, None)
        self.absent.discard(name)


class DeltaClient:
    """All types of one delta client.  Survives its streams: `hello` begins a new one."""

    def __init__(self) -> None:
        self.types: dict[str, DeltaType] = {}

    def subscribe(self, type_url: str, names: Iterable[str]) -> DeltaRequest:
        """Add names, or everything by `*`; none at all on first sight of the type is the legacy wildcard."""
        first = type_url not in self.types
        known = self.types.setdefault(type_url, DeltaType())
        wanted = set(names)
        known.wildcard = known.wildcard or "*" in wanted or (first and not wanted and type_url in FULL_STATE)
        known.names |= wanted - {"*"}
        for name in wanted:
            known.absent.discard(name)
        return DeltaRequest(type_url, subscribe=tuple(sorted(wanted)))

    def unsubscribe(self, type_url: str, names: Iterable[str]) -> DeltaRequest:
        known = self.types[type_url]
        unwanted = set(names)
        known.wildcard = known.wildcard and "*" not in unwanted
        known.names -= unwanted
        for name in list(known.resources.keys() | known.refused.keys() | known.absent):
            if not known.wildcard and name not in known.names:
                known.forget(name)
        return DeltaRequest(type_url, unsubscribe=tuple(sorted(unwanted)))

    def hello(self) -> list[DeltaRequest]:
        """The first requests of a new stream: everything wanted, everything held."""
        requests = []
        for type_url, known in self.types.items():
            known.absent.clear()
            wanted = sorted(known.names) + (["*"] if known.wildcard else [])
            if wanted:
                requests.append(DeltaRequest(type_url, subscribe=tuple(wanted), initial_versions=dict(known.versions)))
        return requests

    def receive(self, message: bytes, accept: bool = True) -> DeltaRequest:
        """Take in a response; the request that answers it."""
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        known = self.types[response.type_url]
        known.refusing = not accept
        names = [resource.name for resource in response.resources] + list(response.removed_resources)
        assert len(set(names)) == len(names), "a name twice in one response"
        for resource in response.resources:
            assert name_in(response.type_url, resource.resource.value) == resource.name
            known.refused.pop(resource.name, None)
            if not accept:
                known.refused[resource.name] = resource.resource.value
            elif known.wildcard or resource.name in known.names:
                known.resources[resource.name] = resource.resource.value
                known.versions[resource.name] = resource.version
                known.absent.discard(resource.name)
        for name in response.removed_resources:
            known.forget(name)
            if name in known.names:
                known.absent.add(name)
        return DeltaRequest(response.type_url, nonce=response.nonce, error=None if accept else REFUSAL)
