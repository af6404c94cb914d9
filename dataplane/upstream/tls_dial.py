"""Opening connections through a transport socket with a layer of its own, TLS above all.

Here: which socket a host gets, and a dial that is over when the handshake is.  Not here: the handshake (extensions.transport_sockets).
The deadline of the cluster holds for both, as in Envoy.
Envoy: Cluster.{transport_socket, transport_socket_matches}; TransportSocketMatcherImpl.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from dataplane.api.transport_socket import Layer
from dataplane.api.upstream import PoolFailure
from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from dataplane.api.transport_socket import UpstreamTransportSocket
    from dataplane.base.address import Address
    from dataplane.observe.stats import Scope
    from dataplane.snapshot.cluster import Cluster, TransportSocketMatch
    from dataplane.snapshot.introduced_socket import IntroducedSocket
    from dataplane.snapshot.passing_socket import PassingSocket
    from dataplane.upstream.connector import Connector, Dial
    from dataplane.upstream.host import UpstreamHost

Secrets = Callable[[], Mapping[str, object]]

MATCH_NAMESPACE: Final = "envoy.transport_socket_match"
MISSING_SECRET: Final = "TLS error: Secret is not supplied by SDS"  # noqa: S105  # Envoy's text, and no password


def socket_of(cluster: Cluster, host: UpstreamHost) -> UpstreamTransportSocket | IntroducedSocket | PassingSocket | None:
    """The first whose criteria the host's metadata meet, or else its locality's, else the cluster's own; None for plain bytes."""
    chosen = cluster.transport_socket
    if cluster.transport_socket_matches:
        match = _match(cluster, host.metadata) or _match(cluster, host.locality_metadata)
        chosen = chosen if match is None else match.transport_socket
    return cast("UpstreamTransportSocket | IntroducedSocket | PassingSocket | None", chosen)


def _match(cluster: Cluster, metadata: Mapping[str, object]) -> TransportSocketMatch | None:
    facts = metadata.get(MATCH_NAMESPACE)
    known = facts if isinstance(facts, Mapping) else {}
    for match in cluster.transport_socket_matches:
        if all(known.get(name) == value for name, value in match.criteria.items()):
            return match
    return None


class SecureConnector:
    """Implements upstream.connector.Connector for the connections to one host that speak one protocol.

    alpn: what to ask for where the configuration of the socket does not say.  server_name, wanted_name: as UpstreamTransportSocket.dial.
    """

    __slots__ = ("_alpn", "_connector", "_loop", "_scope", "_secrets", "_server_name", "_socket", "_wanted_name")

    def __init__(
        self,
        connector: Connector,
        loop: asyncio.AbstractEventLoop,
        socket: UpstreamTransportSocket,
        server_name: str,
        alpn: tuple[str, ...],
        secrets: Secrets,
        scope: Scope,
        wanted_name: str = "",
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._socket = socket
        self._server_name = server_name
        self._alpn = alpn
        self._secrets = secrets
        self._scope = scope
        self._wanted_name = wanted_name

    def connect(self, address: Address, protocol: Dialled) -> Dial:
        dial = _SecureDial(protocol)
        dial.layer = self._socket.dial(dial, self._server_name, self._alpn, self._secrets(), self._scope, self._wanted_name)
        if dial.layer is None:
            dial.refuse(self._loop)
        else:
            dial.below = self._connector.connect(address, dial)
        return dial

    def tune(self, transport: asyncio.Transport) -> None:
        self._connector.tune(transport)


class _SecureDial(Dialled):
    """Between the socket's dial and the layer, and between the layer and who dials.

    The socket's `connection_made` comes first and goes to the layer; the layer's comes when the handshake is done.
    below: until this dial is over; that one holds us as its protocol.
    """

    __slots__ = ("_above", "_is_over", "_is_shaking_hands", "below", "layer")

    def __init__(self, above: Dialled) -> None:
        self._above = above
        self._is_over = False
        self._is_shaking_hands = False
        self.below: Dial | None = None
        self.layer: Layer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._is_over:
            if not self._is_shaking_hands:  # cancelled, and the loop heard too late
                cast("asyncio.Transport", transport).abort()
            return
        layer = self.layer
        assert layer is not None
        if not self._is_shaking_hands:
            self._is_shaking_hands = True
            cast("asyncio.Transport", transport).set_protocol(layer)
            layer.connection_made(transport)
        else:
            self._is_over = True
            layer.above = self._above
            self._above.connection_made(transport)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        """Of the socket, of the layer, or of the deadline that holds for both."""
        if self._is_over:
            return
        self._is_over = True
        self.connected()  # the deadline below has nothing more to say
        self._drop_layer()
        self._above.connect_failed(reason, details)

    def connected(self) -> None:
        below, self.below = self.below, None
        if below is not None:
            below.connected()

    def cancel(self) -> None:
        self._is_over = True
        below, self.below = self.below, None
        if below is not None:
            below.cancel()
        self._drop_layer()

    def _drop_layer(self) -> None:
        """It holds us as those above it."""
        layer, self.layer = self.layer, None
        if self._is_shaking_hands and layer is not None:
            layer.transport.abort()

    def refuse(self, loop: asyncio.AbstractEventLoop) -> None:
        """A secret is missing.  Told soon, not now: who dials is not ready to hear it."""
        loop.call_soon(self.connect_failed, PoolFailure.REMOTE_CONNECTION_FAILURE, MISSING_SECRET)
