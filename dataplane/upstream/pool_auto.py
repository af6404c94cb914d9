"""A pool for hosts that may speak HTTP/1.1 or HTTP/2: the first handshake asks for both, and what it agrees on decides.

Here: who waits for that handshake, and handing its outcome over.  Not here: what pools of one protocol do (pool_h1, pool_h2).
The connection that was opened to learn the protocol is the first of the pool that follows, and a failure to open it is that pool's, so
that everything is counted where it always is.  A pool that has lost all its connections asks anew: the host may have changed its mind.
Envoy: HttpConnPoolImplMixed, HttpProtocolOptions.auto_config.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dataplane.api.upstream import PoolFailure
from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from dataplane.api.upstream import Pending, ResponseReceiver
    from dataplane.base.address import Address
    from dataplane.resilience.circuit import Breakers
    from dataplane.upstream.connector import Connector, Dial
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool import HttpPool

_OVERFLOW: Final = PoolFailure.OVERFLOW

MakePool = Callable[[str, "Outcome", Callable[[Any], None]], "HttpPool[Any]"]
"""The pool for "HTTP/1.1" or "HTTP/2", whose first dial has an outcome already; then who is told when it is empty."""


class AutoPool:
    """What a cluster asks of a pool, as HttpPool.  connector: asks for both protocols."""

    __slots__ = ("_breakers", "_chosen", "_closed", "_connector", "_make", "_on_empty", "_probe", "_waiting", "draining", "host")

    def __init__(
        self,
        host: UpstreamHost,
        connector: Connector,
        breakers: Breakers,
        make: MakePool,
        on_empty: Callable[[AutoPool], None],
    ) -> None:
        self.host = host
        self._connector = connector
        self._breakers = breakers
        self._make = make
        self._on_empty = on_empty
        self._chosen: HttpPool[Any] | None = None
        self._probe: _Probe | None = None
        self._waiting: list[_Waiting] = []
        self._closed = False
        self.draining = False

    def new_stream(self, receiver: ResponseReceiver) -> Pending | None:
        """As upstream.cluster.UpstreamCluster.open_stream, once the host is chosen."""
        chosen = self._chosen
        if chosen is not None and not chosen.unused:
            return chosen.new_stream(receiver)
        if not self._breakers.pending.can_create():
            receiver.on_pool_failure(_OVERFLOW, "", None)
            return None
        self._breakers.pending.inc()
        waiting = _Waiting(self, receiver)
        self._waiting.append(waiting)
        if self._probe is None:
            self._probe = _Probe(self)
            self._probe.dial = self._connector.connect(self.host.address, self._probe)
        return waiting

    @property
    def unused(self) -> bool:
        return not self._waiting and (self._chosen is None or self._chosen.unused)

    def on_outcome(self, outcome: Outcome) -> None:
        """The handshake ended, well or not."""
        self._probe = None
        waiting, self._waiting = self._waiting, []
        if self._closed or not waiting:
            outcome.discard()
            self.look_empty()
            return
        if self._chosen is not None:
            self._chosen.drain()
        chosen = self._chosen = self._make(outcome.protocol, outcome, self._on_chosen_empty)
        chosen.draining = self.draining
        for each in waiting:
            self._breakers.pending.dec()
            receiver, each.receiver = each.receiver, None
            if receiver is not None:
                each.inner = chosen.new_stream(receiver)
        self.look_empty()

    def on_cancelled(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        self._breakers.pending.dec()
        if self.draining and not self._waiting and self._probe is not None:
            self._give_up_probe()
        self.look_empty()

    def _give_up_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None and probe.dial is not None:
            probe.dial.cancel()
            probe.dial = None

    def drain(self) -> None:
        """As HttpPool."""
        self.draining = True
        if not self._waiting:
            self._give_up_probe()
        if self._chosen is not None:
            self._chosen.drain()
        self.look_empty()

    def close(self) -> None:
        """As HttpPool."""
        self.draining = self._closed = True
        for waiting in self._waiting:
            self._breakers.pending.dec()
            waiting.receiver = None
        self._waiting.clear()
        self._give_up_probe()
        if self._chosen is not None:
            self._chosen.close()
        if self.unused:
            self._chosen = None

    def look_empty(self) -> None:
        if self.draining and self.unused:
            self._chosen = None  # which tells us, and so holds us
            self._on_empty(self)

    def _on_chosen_empty(self, _: HttpPool[Any]) -> None:
        self.look_empty()


class _Waiting:
    """Implements api.upstream.Pending, first here, then in the pool that was chosen."""

    __slots__ = ("_pool", "inner", "receiver")

    def __init__(self, pool: AutoPool, receiver: ResponseReceiver) -> None:
        self._pool = pool
        self.receiver: ResponseReceiver | None = receiver
        self.inner: Pending | None = None

    @property
    def host(self) -> UpstreamHost:
        return self._pool.host

    def cancel(self) -> None:
        if self.receiver is not None:
            self.receiver = None
            self._pool.on_cancelled(self)
        elif self.inner is not None:
            self.inner.cancel()


class _Probe(Dialled):
    """The connection that learns the protocol.  A host may speak first: what it says before the handover is kept for whom it is for."""

    __slots__ = ("_pool", "dial", "early")

    def __init__(self, pool: AutoPool) -> None:
        self._pool = pool
        self.dial: Dial | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.dial is not None:
            self.dial.connected()
            self.dial = None  # it holds us
        self._pool.on_outcome(Outcome(self.early, transport=transport))

    def data_received(self, data: bytes) -> None:
        self.early.append(data)

    def eof_received(self) -> bool:
        return False  # close: then the handover finds a failure

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self.dial = None
        self._pool.on_outcome(Outcome(self.early, failure=(reason, details)))


class Outcome:
    """How the dial ended that a pool would begin with.  early: bytes that came meanwhile."""

    __slots__ = ("_early", "_failure", "_transport")

    def __init__(self, early: list[bytes], transport: Any = None, failure: tuple[PoolFailure, str] | None = None) -> None:
        self._early = early
        self._transport = transport
        self._failure = failure

    @property
    def protocol(self) -> str:
        return "HTTP/2" if getattr(self._transport, "alpn", "") == "h2" else "HTTP/1.1"

    def discard(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def tell(self, protocol: Dialled) -> None:
        """What the dial would have called."""
        if self._failure is not None:
            protocol.connect_failed(*self._failure)
        elif self._transport.is_closing():
            protocol.connect_failed(PoolFailure.REMOTE_CONNECTION_FAILURE, "")
        else:
            self._transport.above = protocol
            protocol.connection_made(self._transport)
            if self._early and not self._transport.is_closing():
                protocol.data_received(b"".join(self._early))


class HandedOver:
    """Implements upstream.connector.Connector: the first dial has *outcome*, others are *connector*'s."""

    __slots__ = ("_connector", "_loop", "_outcome")

    def __init__(self, connector: Connector, outcome: Outcome, loop: asyncio.AbstractEventLoop) -> None:
        self._connector = connector
        self._outcome: Outcome | None = outcome
        self._loop = loop

    def connect(self, address: Address, protocol: Dialled) -> Dial:
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            return self._connector.connect(address, protocol)
        return _HandedDial(outcome, protocol, self._loop)

    def tune(self, transport: asyncio.Transport) -> None:
        self._connector.tune(transport)


class _HandedDial:
    """Implements upstream.connector.Dial."""

    __slots__ = ("_handle", "_outcome")

    def __init__(self, outcome: Outcome, protocol: Dialled, loop: asyncio.AbstractEventLoop) -> None:
        self._outcome = outcome
        self._handle = loop.call_soon(outcome.tell, protocol)

    def connected(self) -> None:
        pass  # its deadline went with the handshake

    def cancel(self) -> None:
        self._handle.cancel()
        self._outcome.discard()
