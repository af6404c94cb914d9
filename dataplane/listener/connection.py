"""One accepted connection: between the event loop's transport and the terminal network filter.

Here: choosing the filter chain, write watermarks, delayed close, what happens in which order at the end.
Not here: the sockets that accept (listener.listener), anything about HTTP (http.connection_manager).
A connection is its own `StreamInfo`: that saves an object, and what a listener's access log prints is read from it.
Envoy: Network::Connection; HttpConnectionManager.delayed_close_timeout.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, cast

from dataplane.api.listener_filter import Inspected
from dataplane.api.overload import TRANSPORT_SOCKET_CONNECT
from dataplane.base.address import Address, InternalAddress, PipeAddress, SocketAddress, address_of, own_address
from dataplane.base.reading_turns import LARGE_READ
from dataplane.listener.inspection import InspectionRun
from dataplane.listener.read_filters import create_filter
from dataplane.observe import flags
from dataplane.observe.stream_info import StreamInfo
from dataplane.snapshot.listener import FilterChain

if TYPE_CHECKING:
    from dataplane.api.listener_filter import ListenerFilter
    from dataplane.api.network_filter import DrainDecision, NetworkFilter, ServerContext
    from dataplane.api.transport_socket import DownstreamTransportSocket
    from dataplane.base.deadlines import Deadline
    from dataplane.listener.connection_limit import ConnectionLimit
    from dataplane.listener.leaving import Leaving
    from dataplane.listener.stats import ListenerStats
    from dataplane.observe.stats import Scope
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.snapshot.listener import Listener
    from dataplane.snapshot.snapshot import Snapshot

log = logging.getLogger("connection")

_LINGER_ZERO = struct.pack("ii", 1, 0)
_UNNAMED_PIPE = PipeAddress("")
_NO_CHAIN = FilterChain("", ())


class Acceptor(Protocol):
    """What a connection needs of the listener that accepted it."""

    server: ServerContext
    stat_prefix: str
    config: Listener
    scope: Scope
    stats: ListenerStats

    def on_accepted(self, connection: Connection) -> None: ...

    def on_established(self, connection: Connection) -> None:
        """Its filter chain was found: from now on it counts."""

    def hand_over(self, connection: Connection, destination: Address) -> Acceptor | None:
        """Give *connection* to the listener that owns *destination*; None where nobody does."""

    def on_closed(self, connection: Connection) -> None: ...

    def choose_filter_chain(self, connection: Connection, inspected: Inspected | None) -> FilterChain | None: ...


class Connection(StreamInfo, asyncio.Protocol):
    """Implements api.network_filter.DownstreamConnection for one socket."""

    filter: NetworkFilter | None
    filter_chain: FilterChain
    transport: asyncio.Transport
    write: Callable[[bytes], None]
    drain: DrainDecision | None
    leaving: Leaving | None  # its filter chain is gone
    limit: ConnectionLimit | None  # what it took of
    is_established = False  # it has, or had, a filter chain
    _may_be_handed_over = True
    negotiated_protocol = ""  # a TLS transport socket sets it
    is_writable = True
    _reading_is_paused = False
    _closing = False  # we decided to close: nothing more goes to the filter

    def __init__(self, acceptor: Acceptor, connection_id: int) -> None:
        super().__init__()
        self.acceptor = acceptor
        self.id = self.connection_id = connection_id
        self.server = acceptor.server
        self.stat_prefix = acceptor.stat_prefix
        self.listener = acceptor.config
        self.drain = None  # asked with every response
        self.filter = None
        self.filter_chain = _NO_CHAIN
        self.leaving = None
        self.limit = None
        self._handshake_deadline: Deadline | None = None
        self._delayed_close: Deadline | None = None
        self._on_delayed_close_timeout: Callable[[], None] | None = None

    @property
    def info(self) -> StreamInfo:
        return self

    def generation(self) -> Snapshot:
        """For what is logged of a connection: the configuration at its end."""
        return self.server.holder.current

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self.transport = transport
        self.write = transport.write
        self.start_at = self.server.clock()
        self.start_wall = time.time()
        self._learn_addresses(transport)
        self.acceptor.on_accepted(self)
        if self.listener.listener_filters:
            sock = transport.get_extra_info("socket")
            self._inspect(transport, Inspected(self.local_address, self.remote_address, self.server.stats, sock))
        else:
            self._enter_chain(None)

    def on_inspected(self, inspected: Inspected) -> None:
        """listener.inspection.Waiting."""
        self._learn_client(inspected)
        self._learn_inspected(inspected)
        if inspected.restored and self._may_be_handed_over and self.listener.use_original_dst:
            new_owner = self.acceptor.hand_over(self, inspected.local_address)
            if new_owner is not None:
                self._move_to(new_owner, inspected)
                return
        self._enter_chain(inspected)

    def on_not_inspected(self, inspected: Inspected) -> None:
        """listener.inspection.Waiting.  As in Envoy, whose inspection only peeks, bytes that nobody read make it a reset."""
        self._learn_client(inspected)
        if inspected.data:
            self.reset()
        else:
            self.close()

    def on_secured(self, tls: TlsFacts) -> None:
        """api.transport_socket.SecuredProtocol."""
        self._handshake_over()
        self.downstream_tls = tls
        self.negotiated_protocol = tls.alpn
        self.requested_server_name = tls.server_name or self.requested_server_name
        if self._closing:
            return
        self.filter = create_filter(self.filter_chain.network_filters, self)
        if not self.is_writable:
            self.filter.on_write_blocked()

    def on_not_secured(self, reason: str, tls: TlsFacts | None) -> None:
        """api.transport_socket.SecuredProtocol."""
        self._handshake_over()
        self.downstream_tls = tls
        self._closing = True
        self.downstream_transport_failure_reason = reason

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            try:
                self.filter.on_data(data)  # type: ignore[union-attr]  # what is not closing has one; this runs for every read
            except Exception:
                self._on_bug()
            if len(data) >= LARGE_READ and not self._reading_is_paused:
                self._end_turn()

    def _end_turn(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()
            self.server.loop.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        if not self._reading_is_paused:
            self.resume_reading()

    def eof_received(self) -> bool:
        """The peer's FIN.  Returns True: whether the connection ends with it is for the filter to say."""
        if self._closing or self.filter is None:
            return False
        self.filter.on_end()
        return not self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._delayed_close is not None:
            self._delayed_close.cancel()
            self._delayed_close = None
        self._handshake_over()
        self.end_at = self.server.clock()
        if self.filter is not None:
            self.filter.on_close("" if exc is None else str(exc) or type(exc).__name__)
        self.acceptor.on_closed(self)
        self._closing = True
        self.filter = self._on_delayed_close_timeout = None  # they hold us: a cycle would live on until somebody looks for cycles

    def pause_writing(self) -> None:
        self.is_writable = False
        if not self._closing and self.filter is not None:
            self.filter.on_write_blocked()

    def resume_writing(self) -> None:
        self.is_writable = True
        if not self._closing and self.filter is not None:
            self.filter.on_write_ready()

    def pause_reading(self) -> None:
        self._reading_is_paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._reading_is_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self, details: str = "") -> None:
        self._closing = True
        self.connection_termination_details = self.connection_termination_details or details
        self.transport.close()

    def give_up(self, reason: str) -> None:
        """Close under whatever is under way.  reason: as logs tell it."""
        self.local_close_reason = reason
        self.close()

    def end_writing(self) -> None:
        """Send a FIN after what is buffered; reading goes on.  A transport that cannot close by halves is closed."""
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.close()

    def reset(self) -> None:
        """Close with a RST, so that the peer does not take what it got for all there is."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and isinstance(self.local_address, SocketAddress):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.abort()

    def abort(self) -> None:
        """Close without sending what is still buffered."""
        self._closing = True
        self.transport.abort()

    def close_after_flush(self, delay: float, details: str = "", on_timeout: Callable[[], None] | None = None) -> None:
        """Let the peer close first, so that bytes it still sends do not destroy what we sent; close after *delay* seconds.

        As Envoy we send no FIN meanwhile.  on_timeout: called when the delay ran out.
        """
        if self._closing:
            return
        if not delay:
            self.close(details)
            return
        self._closing = True
        self.connection_termination_details = self.connection_termination_details or details
        self._on_delayed_close_timeout = on_timeout
        self.resume_reading()  # or the peer's FIN would not be seen
        self._delayed_close = self.server.deadlines.arm(delay, self._delayed_close_over)

    def _delayed_close_over(self) -> None:
        self._delayed_close = None
        if self._on_delayed_close_timeout is not None:
            self._on_delayed_close_timeout()
        self.transport.abort()

    def _on_bug(self) -> None:
        """A mistake of ours ends this connection and nothing else."""
        log.exception("[C%d] internal error", self.id)
        self.server.stats.counter("server.internal_error").inc()
        self.abort()

    def _move_to(self, acceptor: Acceptor, inspected: Inspected) -> None:
        """Go on at another listener, whose own listener filters look first."""
        self._may_be_handed_over = False
        self.acceptor = acceptor
        self.stat_prefix = acceptor.stat_prefix
        self.listener = acceptor.config
        self.listener_name = acceptor.config.name
        self._inspect(self.transport, inspected)

    def _learn_client(self, inspected: Inspected) -> None:
        """What its first bytes say of it."""
        self.requested_server_name = inspected.server_name
        self.ja3_fingerprint, self.ja4_fingerprint = inspected.ja3, inspected.ja4
        self.downstream_transport_failure_reason = inspected.transport_failure_reason

    def _learn_inspected(self, inspected: Inspected) -> None:
        self.local_address = self.downstream_local_address = inspected.local_address
        self.remote_address = self.downstream_remote_address = inspected.remote_address
        if inspected.restored:
            self.destination_restored = True
        self.introduced = self.introduced or inspected.introduced
        if inspected.dynamic_metadata:
            self.dynamic_metadata = {**(self.dynamic_metadata or {}), **inspected.dynamic_metadata}
        if inspected.filter_state:
            self.filter_state = {**(self.filter_state or {}), **inspected.filter_state}
        if inspected.proxy_protocol_tlvs:
            self.proxy_protocol_tlvs = inspected.proxy_protocol_tlvs

    def _inspect(self, transport: asyncio.Transport, inspected: Inspected) -> None:
        listener, server = self.listener, self.server
        filters = cast("tuple[ListenerFilter, ...]", listener.listener_filters)
        run = InspectionRun(self, inspected, filters, listener.continue_on_listener_filters_timeout, self.acceptor.stats)
        run.start(transport, server.deadlines, listener.listener_filters_timeout)

    def _enter_chain(self, inspected: Inspected | None) -> None:
        """Begin to work.  The bytes that were inspected are the first ones."""
        chain = self.acceptor.choose_filter_chain(self, inspected)
        if chain is None:
            self._refuse()
            return
        transport = self.transport
        self.is_established = True
        self.acceptor.on_established(self)
        self.filter_chain = chain
        self.filter_chain_name = chain.name
        if not chain.network_filters:
            self.acceptor.stats.network_extension_config_missing.inc()
            self.local_close_reason = "no_filters"
            self.close()
            return
        transport.set_write_buffer_limits(self.listener.per_connection_buffer_limit)
        first = b"" if inspected is None else inspected.data
        if chain.transport_socket is not None:
            self._secure(transport, cast("DownstreamTransportSocket", chain.transport_socket), first)
            return
        if inspected is not None:
            transport.set_protocol(self)
        self.filter = create_filter(chain.network_filters, self)
        if first:
            self.data_received(first)

    def _secure(self, transport: asyncio.Transport, socket: DownstreamTransportSocket, first: bytes) -> None:
        layer = socket.accept(transport, self, self.server.holder.current.secrets, self.acceptor.scope)
        if layer is None:
            self.close("secret_not_ready")
            return
        transport.set_protocol(layer)
        self.transport = layer.transport
        self.write = self.transport.write
        self._limit_handshake()
        if first:
            layer.data_received(first)

    def _limit_handshake(self) -> None:
        timeout, levels = self.filter_chain.transport_socket_connect_timeout, self.server.overload
        if not timeout:
            return
        if levels is not None:
            timeout = levels.reduced(TRANSPORT_SOCKET_CONNECT, timeout)
            timeout = max(0.0, self.start_at + timeout - self.server.clock())
        self._handshake_deadline = self.server.deadlines.arm(timeout, self._on_handshake_timeout)

    def on_times_changed(self) -> None:
        """The overload manager has changed what times may last."""
        if self._handshake_deadline is not None:
            self._handshake_over()
            self._limit_handshake()
        elif self.filter is not None:
            self.filter.on_times_changed()

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        """Of each stream that can end alone: how many bytes are held for it, and how it is ended."""
        return () if self.filter is None else self.filter.holding()

    def _on_handshake_timeout(self) -> None:
        self._handshake_deadline = None
        self.acceptor.stats.cx_transport_socket_connect_timeout.inc()
        self.close("transport socket timeout was reached")

    def _handshake_over(self) -> None:
        if self._handshake_deadline is not None:
            self._handshake_deadline.cancel()
            self._handshake_deadline = None

    def _refuse(self) -> None:
        """No filter chain is meant for this connection.  Envoy closes it without a word."""
        self._closing = True
        self.response_flags |= flags.NO_ROUTE_FOUND
        self.response_code_details = "filter_chain_not_found"
        self.transport.close()

    def _learn_addresses(self, transport: asyncio.Transport) -> None:
        name = transport.get_extra_info("sockname")
        self.local_address = (
            own_address(name[0], name[1]) if isinstance(name, tuple) else address_of(name)
        ) or self.listener.address
        self.remote_address = address_of(transport.get_extra_info("peername")) or _UNNAMED_PIPE
        self.downstream_remote_address = self.downstream_direct_remote_address = self.remote_address
        self.downstream_local_address = self.local_address
        self.listener_name = self.listener.name
        if isinstance(self.local_address, InternalAddress):
            passed = transport.get_extra_info("passed_metadata")  # by who dialled it
            if passed:
                self.dynamic_metadata = dict(passed)

    def __repr__(self) -> str:
        state = "closing" if self._closing else "open"
        return f"<Connection C{self.id} {self.remote_address} -> {self.local_address} {state}>"
