"""What the admin endpoint may see and do.

Here: the interface between the handlers and the process; `server.assembly` fills it.  Admin reads everything and is read by nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from dataplane.api.access_logger import AccessLogger
    from dataplane.base.address import Address
    from dataplane.observe.names import TagExtractor
    from dataplane.observe.stats import StatsStore
    from dataplane.observe.tls_facts import CertificateFacts
    from dataplane.upstream.facts import ClusterFacts


class ServerState(IntEnum):
    """Envoy: admin.v3.ServerInfo.State, and the gauge `server.state`."""

    LIVE = 0
    DRAINING = 1
    PRE_INITIALIZING = 2
    INITIALIZING = 3


class Lifecycle(Protocol):
    """What an operator may do to the process."""

    @property
    def state(self) -> ServerState: ...

    def drain_listeners(self, *, graceful: bool, inbound_only: bool, skip_exit: bool) -> None: ...

    def quit(self) -> None: ...

    def fail_health_check(self, failed: bool) -> None: ...

    def reopen_logs(self) -> None: ...


class Workers(Protocol):
    """The processes that carry the traffic, where they are others than this one."""

    @property
    def resident(self) -> int:
        """Bytes of memory that they have."""

    async def ask(self, what: Literal["stats", "clusters"]) -> None:
        """Hear what they know now, for what `AdminContext.refresh_stats` or its `clusters` brings up to date."""

    def set_levels(self, levels: Mapping[str, int]) -> None:
        """Levels of the process's log, by component."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version of a resource that was refused.  body: as it came, None where it could not be read."""

    reason: str
    version: str
    at_wall: float
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """One resource for `/config_dump`.  state: "static", "active", "warming" or "none" (only a refused version is known)."""

    type_url: str
    name: str
    body: bytes
    state: str
    version: str = ""
    updated_wall: float = 0.0
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """A listener.  addresses: where its sockets are bound, the first is its own."""

    name: str
    addresses: Sequence[Address]


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """path: the file it came from, or `<inline>`.  staple: since when and until when its OCSP response holds."""

    path: str
    certificate: CertificateFacts
    staple: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class TlsContextFacts:
    """The certificates of one TLS context."""

    authorities: Sequence[ShownCertificate]
    certificates: Sequence[ShownCertificate]


@dataclass(frozen=True, slots=True)
class AdminContext:
    """Everything the handlers need.  command_line: the fields of admin.v3.CommandLineOptions, ready for JSON."""

    stats: StatsStore
    tags: TagExtractor
    lifecycle: Lifecycle
    bootstrap: Callable[[], bytes]  # serialized Bootstrap, with the node as it is sent
    records: Callable[[], Iterable[ConfigRecord]]
    clusters: Callable[[], Sequence[ClusterFacts]]
    listeners: Callable[[], Sequence[ListenerFacts]]
    runtime: Callable[[], Sequence[tuple[str, Mapping[str, str]]]]  # layers, lowest first
    command_line: Mapping[str, object]
    started_wall: float
    refresh_stats: Callable[[], None]  # bring gauges that are computed on demand up to date
    access_loggers: Sequence[AccessLogger] = ()  # of the endpoint's own requests
    tls_contexts: Callable[[], Iterable[TlsContextFacts]] = tuple
    workers: Workers | None = None  # None: this process carries the traffic itself
    reset_counters: Callable[[], None] | None = None  # None: those of stats
    hot_restart_version: str = "disabled"
    first_started_wall: Callable[[], float] | None = None  # of the first process of all epochs of hot restarts; None: this one
