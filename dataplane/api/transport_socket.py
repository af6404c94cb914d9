"""Transport sockets: what stands between the bytes of the network and those of a filter or a codec.

A compiled socket that has a layer of its own implements one of the two sides; None stands for plain bytes.  A layer takes the place of
the protocol below and offers the interface of an `asyncio.Transport` above, so that nobody above needs to know of it; only `alpn`
and `tls` come in addition.
Envoy: Network::TransportSocket, config.core.v3.TransportSocket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dataplane.api.upstream import PoolFailure
    from dataplane.observe.stats import Scope
    from dataplane.observe.tls_facts import TlsFacts


class SecuredProtocol(Protocol):
    """A downstream connection above a layer.  After `on_secured` it is called as any `asyncio.Protocol`."""

    def on_secured(self, tls: TlsFacts) -> None:
        """The handshake is done: bytes may be written, and come."""

    def on_not_secured(self, reason: str, tls: TlsFacts | None) -> None:
        """The handshake failed; `connection_lost` follows.  reason: Envoy's transport failure reason.  tls: what is known all the same."""

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> bool | None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class DialledProtocol(Protocol):
    """An upstream connection above a layer: an `asyncio.Protocol` that also hears when no connection came."""

    def connection_made(self, transport: asyncio.Transport) -> None: ...

    def connect_failed(self, reason: PoolFailure, details: str) -> None: ...


class Layer(asyncio.Protocol):
    """A layer in use: the protocol of the socket's transport.  above: who is told what comes out of it."""

    above: Any

    @property
    def transport(self) -> asyncio.Transport:
        """What to write to."""
        raise NotImplementedError


class DownstreamTransportSocket(Protocol):
    """A compiled socket of a filter chain."""

    def accept(
        self, transport: asyncio.Transport, above: SecuredProtocol, secrets: Mapping[str, object], scope: Scope
    ) -> Layer | None:
        """Stand between *transport* and *above* from now on.  None: a secret is missing, close the connection.

        secrets: those of the current snapshot.  scope: the listener's statistics.
        """


class UpstreamTransportSocket(Protocol):
    """A compiled socket of a cluster.  It lives as long as the cluster's configuration.

    auto_host_sni: the server name to ask for is that of the endpoint.
    """

    auto_host_sni: bool

    def dial(
        self,
        above: DialledProtocol,
        server_name: str,
        alpn: tuple[str, ...],
        secrets: Mapping[str, object],
        scope: Scope,
        wanted_name: str = "",
    ) -> Layer | None:
        """The protocol for a connection that is about to be opened.  None: a secret is missing, so it cannot be.

        It calls `connection_made` of *above* after the handshake, with a transport of its own, else `connect_failed`.
        server_name: what the request asks for, "" for what is configured.  wanted_name: has to be in the server's certificate; "": what is
        configured has.  alpn: what to ask for where nothing is configured.
        """
