"""Between what proxies plain bytes and the upstream: one connection of its own for each downstream connection.

Here: the interfaces, both directions.  Not here: choosing the host (balancing), dialling (upstream.pool_tcp), requests (api.upstream).
All calls are synchronous, made in the event loop.  A tunnel through an HTTP request implements the same interfaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.api.upstream import LiveHost, PoolFailure
    from dataplane.base.address import Address
    from dataplane.observe.stream_info import StreamInfo


class TcpUpstream(Protocol):
    """A connection to a host.  Used until `close`, or until the receiver heard `on_close`."""

    connection_id: int
    local_address: Address | None
    protocol: str  # of a tunnel; "" for a connection that carries the bytes as they are

    def write(self, data: bytes) -> None: ...

    def end_writing(self) -> None:
        """Send a FIN after what is buffered.  Reading goes on."""

    def close(self, by_us: bool = True) -> None:
        """Send what is buffered and close.  No callback is made after this.  by_us: False where the host has ended, and we follow."""

    def abort(self) -> None:
        """Break off; what is buffered is lost.  No callback is made after this."""

    def pause_reading(self) -> None:
        """Stop `on_data` soon: who takes the bytes is slow.  Not counted."""

    def resume_reading(self) -> None: ...


class TcpReceiver(Protocol):
    """What an upstream connection calls.  After `on_pool_failure` or `on_close` it calls nothing more."""

    @property
    def stream_info(self) -> StreamInfo:
        """On whose behalf the connection is.  Asked by clusters whose connections introduce themselves."""

    def on_tcp_ready(self, upstream: TcpUpstream, host: LiveHost) -> None:
        """A connection is there; the receiver may write at once, inside this call."""

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None: ...

    def on_upstream_data(self, data: bytes) -> None: ...

    def on_upstream_end(self) -> None:
        """The host sent its FIN: half closed."""

    def on_upstream_close(self, error: str) -> None:
        """The connection is gone.  error: "" for an orderly end."""

    def on_upstream_blocked(self) -> None:
        """The connection's send buffer is above its high watermark: send less."""

    def on_upstream_ready(self) -> None: ...


class PendingTcp(Protocol):
    """A connection that is not there yet."""

    @property
    def host(self) -> LiveHost: ...

    def cancel(self) -> None:
        """No callback is made after this."""
