"""Network filters: what reads and writes the bytes of a downstream connection.  Envoy: config.listener.v3.Filter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from dataplane.api.overload import OverloadLevels
    from dataplane.api.upstream import ClusterDirectory
    from dataplane.base.address import Address
    from dataplane.base.counts import SharedCounts
    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.observe.stats import StatsStore
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.snapshot.listener import FilterChain, Listener
    from dataplane.snapshot.snapshot import Holder


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What the process offers to live objects.  One per event loop; a filter factory binds to it once, not per connection."""

    holder: Holder
    clusters: ClusterDirectory
    stats: StatsStore
    deadlines: DeadlineWheel
    loop: asyncio.AbstractEventLoop
    service_cluster: str = ""
    service_node: str = ""
    local_address: str = ""  # ours, as x-forwarded-for tells it for peers on the loopback; "": the first interface's
    clock: Callable[[], float] = time.monotonic
    overload: OverloadLevels | None = None  # None without an overload manager
    shared: SharedCounts | None = None  # None where no other process carries traffic


class DrainDecision(Protocol):
    """A drain that is under way for some connections (their listener, their filter chain, or the whole process)."""

    by_overload: bool  # it is no drain but a shortage: connections that are asked to close count as such

    def should_close(self, now: float) -> bool:
        """Whether an answer sent now should end its connection.  Gradual: the chance grows with the time that has passed."""


class DownstreamConnection(Protocol):
    """An accepted connection, as its terminal filter sees it."""

    id: int
    server: ServerContext
    stat_prefix: str  # "listener.<address>."
    drain: DrainDecision | None  # None while no drain is under way
    listener: Listener
    filter_chain: FilterChain
    remote_address: Address
    local_address: Address
    negotiated_protocol: str  # what TLS agreed on by ALPN: "h2", "http/1.1"; "" without

    @property
    def info(self) -> StreamInfo: ...

    def write(self, data: bytes) -> None: ...

    def close(self, details: str = "") -> None:
        """Close at once; what was written is flushed by the kernel if it was taken already."""

    def give_up(self, reason: str) -> None:
        """Close under whatever is under way.  reason: as logs tell it."""

    def close_after_flush(self, delay: float, details: str = "", on_timeout: Callable[[], None] | None = None) -> None:
        """Send what is buffered and close when the peer did, or after *delay* seconds.  Envoy: delayed_close_timeout.

        on_timeout: called when the delay ran out.
        """

    def end_writing(self) -> None:
        """Send a FIN after what is buffered; reading goes on."""

    def reset(self) -> None:
        """Close with a RST: what the peer got is not all there is."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def is_writable(self) -> bool:
        """False while the send buffer is above its high watermark."""


class NetworkFilter(Protocol):
    """The terminal filter of one connection.  One with an attribute `half_close` that is true goes on when its peer has sent a FIN."""

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None:
        """The peer sent its FIN: half closed."""

    def on_close(self, error: str) -> None:
        """The connection is gone, whoever closed it.  error: "" for an orderly end."""

    def on_write_blocked(self) -> None: ...

    def on_write_ready(self) -> None: ...

    def on_drain(self) -> None:
        """A drain has begun (`connection.drain`): tell the peer if the protocol has a word for it."""

    def on_times_changed(self) -> None:
        """The overload manager has changed for how long things may last (api.overload.OverloadLevels.reduced)."""

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        """Of each stream that can end alone: how many bytes are held for it, and how it is ended."""

    def close_if_idle(self) -> None:
        """Nothing new is wanted: close, or where work is under way, tell the peer if the protocol has a word for it."""


class NetworkFilterFactory(Protocol):
    """The compiled configuration of a terminal network filter; `create` makes the filter of one connection."""

    def create(self, connection: DownstreamConnection) -> NetworkFilter: ...


class ReadFilter(Protocol):
    """A network filter in front of the terminal one: it sees what the peer sends before that does.

    rejected: it has turned the connection away when it was made; what is behind it is not made at all.
    """

    rejected: bool

    def on_data(self, data: bytes) -> bool:
        """Whether *data* goes on.  Who says no has closed the connection, or will."""

    def on_close(self) -> None:
        """The connection is gone, whoever closed it."""


class ReadFilterFactory(Protocol):
    """The compiled configuration of a network filter that is not terminal."""

    def create(self, connection: DownstreamConnection) -> ReadFilter: ...


class CountingFilter:
    """A factory that counts what it let in, together with the other workers' copies of it (`ServerContext.shared`)."""

    __slots__ = ()


def count_name(listener: Listener, chain: FilterChain, factory: object) -> str:
    """What every process calls the count of *factory*, one of the filters of *chain*."""
    index = next(number for number, each in enumerate(chain.network_filters) if each is factory)
    return f"{listener.name}/{sha256(chain.key).hexdigest()}/{index}"
