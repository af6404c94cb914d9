"""What is known of each connected proxy, as the management API shows it.

Here: plain values, safe to keep and to hand out.  Not here: how they come about (proxy, hub), how they are spelled as JSON.
`wall` and every `*_at` is calendar time in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from controlplane.base.resource import DEFAULT_GROUP, GroupName, Revision
from controlplane.delivery.snapshot import NO_REVISION


@dataclass(frozen=True, slots=True)
class Locality:
    """Where a proxy says it runs (core.v3.Locality)."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Who a proxy says it is (core.v3.Node).  metadata: JSON values."""

    node_id: str
    node_cluster: str = ""
    locality: Locality = Locality()
    metadata: Mapping[str, object] = field(default_factory=dict)
    user_agent_name: str = ""
    user_agent_version: str = ""


class StreamKind(Enum):
    """How a proxy asks.  The values are what operators read."""

    ADS_SOTW = "ads sotw"
    ADS_DELTA = "ads delta"
    SOTW = "sotw"
    DELTA = "delta"

    @property
    def is_delta(self) -> bool:
        return self in (StreamKind.ADS_DELTA, StreamKind.DELTA)

    @property
    def is_ads(self) -> bool:
        return self in (StreamKind.ADS_SOTW, StreamKind.ADS_DELTA)


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """How far a proxy has come with one type.

    names: how many it has subscribed to by name.  *_version: as the client sees it, `REVISION-DIGEST`, unchanged while the
    content is.  acked_revision: the highest revision of which it has everything of this type, also where nothing had to be
    sent.  held: resources that left the configuration and still stay with the proxy, because what refers to them is not
    accepted yet.  rejecting: whether it refuses something of what it shall have now; the
    nacked_* fields tell of the last NACK even after that is over.
    """

    type_url: str
    names: int = 0
    wildcard: bool = False
    sent_version: str = ""
    sent_revision: Revision = NO_REVISION
    acked_version: str = ""
    acked_revision: Revision = NO_REVISION
    acked_at: float = 0.0
    nacked_version: str = ""
    nacked_revision: Revision = NO_REVISION
    nacked_at: float = 0.0
    nack_text: str = ""
    rejecting: bool = False
    held: int = 0


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """One connected, or recently disconnected, proxy.

    proxy_id: unique in the life of this control plane process; two proxies may claim one node id.
    target_revision: what it is being brought to; 0 while nothing was published for its group.
    ready_revision: the highest revision of which it has ACKed everything of every type that it subscribes to.
    """

    proxy_id: int
    node: NodeFacts
    group: GroupName = DEFAULT_GROUP
    peer: str = ""
    kinds: tuple[StreamKind, ...] = ()
    connected_since: float = 0.0
    disconnected_at: float | None = None
    target_revision: Revision = NO_REVISION
    ready_revision: Revision = NO_REVISION
    types: tuple[TypeStatus, ...] = ()


class EventKind(Enum):
    """What happened.  The values are what operators read."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    REGROUPED = "regrouped"
    SENT = "sent"
    ACKED = "acked"
    NACKED = "nacked"
    READY = "ready"
    LOST = "lost"  # the reader of the events was too slow: events before this one are missing


@dataclass(frozen=True, slots=True)
class ProxyEvent:
    """One thing that happened to one proxy.  text: the NACK's words."""

    kind: EventKind
    wall: float
    proxy_id: int = 0
    node_id: str = ""
    group: GroupName = DEFAULT_GROUP
    type_url: str = ""
    version: str = ""
    revision: Revision = NO_REVISION
    text: str = ""
