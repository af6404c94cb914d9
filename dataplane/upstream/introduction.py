"""Connections that introduce themselves: a PROXY header goes ahead of everything else, TLS included.

Here: sending it.  Not here: what it says (snapshot.introduced_socket, semantics.proxy_header), a pool for each header (auto_names).
Envoy: UpstreamProxyProtocolSocket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from dataplane.base.address import SocketAddress
from dataplane.semantics.proxy_header import LOCAL_V2, proxy_header
from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from dataplane.api.upstream import PoolFailure
    from dataplane.base.address import Address
    from dataplane.upstream.connector import Connector, Dial


class IntroducingConnector:
    """Implements upstream.connector.Connector.  header: b"" where nobody is behind the connection: a health check."""

    __slots__ = ("_connector", "_header", "_version")

    def __init__(self, connector: Connector, version: int, header: bytes) -> None:
        self._connector = connector
        self._version = version
        self._header = header

    def connect(self, address: Address, protocol: Dialled) -> Dial:
        return self._connector.connect(address, _Introduction(protocol, self._version, self._header))

    def tune(self, transport: asyncio.Transport) -> None:
        self._connector.tune(transport)


class _Introduction(Dialled):
    """Takes the place of who dials until the socket is connected."""

    __slots__ = ("_above", "_header", "_version")

    def __init__(self, above: Dialled, version: int, header: bytes) -> None:
        self._above = above
        self._version = version
        self._header = header

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        socket = cast("asyncio.Transport", transport)
        socket.write(self._header or self._about_ourselves(socket))
        socket.set_protocol(self._above)
        self._above.connection_made(socket)

    def _about_ourselves(self, transport: asyncio.Transport) -> bytes:
        """As Envoy: version 1 has no word for our own connections, so that it tells their addresses."""
        if self._version == 2:
            return LOCAL_V2
        ends = [transport.get_extra_info(name) for name in ("sockname", "peername")]
        local, remote = (SocketAddress(str(end[0]), int(end[1])) if isinstance(end, tuple) else None for end in ends)
        return proxy_header(1, local, remote)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self._above.connect_failed(reason, details)
