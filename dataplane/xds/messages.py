"""What is said on an xDS stream, as plain values.  Envoy: service.discovery.v3.

Here: requests, responses and what a decoder makes of one resource.  Not here: protobuf (wire), who says what when (sotw, delta).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RawResource:
    """One resource as it arrived.  name: empty in state-of-the-world responses, where only the body knows it.

    body: None in a heartbeat, which only prolongs the time to live.  ttl: seconds, None for ever.
    """

    name: str
    type_url: str
    body: bytes | None
    version: str = ""
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A response of either protocol.  resources may be lazy and is read once.  removed: delta only."""

    type_url: str
    version_info: str
    nonce: str
    resources: Iterable[RawResource]
    removed: tuple[str, ...] = ()
    control_plane: str = ""


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """`DiscoveryRequest`.  error: None for an ACK or a new wish, the text of a NACK otherwise."""

    type_url: str
    resource_names: tuple[str, ...]
    version_info: str = ""
    response_nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """`DeltaDiscoveryRequest`."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_resource_versions: Mapping[str, str] = field(default_factory=dict)
    response_nonce: str = ""
    error: str | None = None


Request = SotwRequest | DeltaRequest


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder made of a body.  name: the one inside the resource.  value: opaque here."""

    name: str
    value: object


class Decoder(Protocol):
    """Turns bytes into a value.  Raises dataplane.base.errors.InvalidResource or ConfigError for what it refuses."""

    def __call__(self, type_url: str, body: bytes) -> Decoded: ...
