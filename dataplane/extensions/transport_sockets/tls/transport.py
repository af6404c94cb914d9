"""TLS on one connection, between the loop's transport below and a protocol above; no task, no copy of what is not encrypted.

Here: handshake, records, close_notify.  Not here: which context (downstream, upstream), whether the peer is the right one (verify).
Below it is an `asyncio.Protocol`, above it is used as an `asyncio.Transport`.  Bytes that were read before it took its place are
handed to `data_received` like any others.  Costs per request, measured: one write and one read of a memory BIO each way.
Why not the loop's own TLS: it cannot be given a ClientHello that a listener filter has read already, and is no faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from dataplane.api.transport_socket import Layer

if TYPE_CHECKING:
    from dataplane.observe.tls_facts import TlsFacts

_RECORD: Final = 16384  # the most plaintext that one record holds


class Owner(Protocol):
    """Who made the layer: it looks at the handshake before anybody above hears of it."""

    def on_handshake_done(self, layer: TlsTransport) -> bool:
        """Accept the peer and tell the protocol above, or say no; then the connection is closed."""

    def on_handshake_failed(self, layer: TlsTransport, error: ssl.SSLError | None) -> None:
        """error: None where the peer went away."""

    def on_session(self, layer: TlsTransport) -> None:
        """The peer may have sent a session to resume: records without data came."""

    def on_closed(self, layer: TlsTransport, exc: Exception | None) -> None:
        """The connection is gone; before, exactly one of the two others was called."""


class TlsTransport(Layer):
    """See the module.  alpn: what was agreed on, "" for nothing.  facts: set by the owner once the handshake is done.  secured: it is."""

    def __init__(self, owner: Owner, above: Any, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, tls: ssl.SSLObject) -> None:
        self._owner = owner
        self.above = above
        self.tls = tls
        self._incoming = incoming
        self._outgoing = outgoing
        self._records = getattr(tls, "_sslobj", tls)  # what it stands around: one call less for every record
        self._between_records = False  # nothing that came has not been read
        self.secured = False
        self._ended = False  # the peer's close_notify or FIN was seen
        self._shut = False  # ours was sent
        self._over = False
        self.alpn = ""
        self.facts: TlsFacts | None = None
        self._below: asyncio.Transport
        self._send: Callable[[bytes], None]

    # Below: the protocol of the socket's transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = transport  # type: ignore[assignment]  # uvloop's are no subclass of asyncio.Transport
        self._send = self._below.write

    def start(self) -> None:
        """Begin the handshake: a client speaks first, a server waits."""
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if not self.secured:
            if self._over:
                return
            if not self._shake_hands() or not self._incoming.pending:
                return
        self._decrypt(len(data) if self._between_records else _RECORD)

    def eof_received(self) -> bool:
        """The peer's FIN; without a close_notify before it the end is as good, as in Envoy."""
        if not self.secured:
            self._not_secured(None)
            return False
        return self._end_of_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.secured:
            self._not_secured(None)
        self._owner.on_closed(self, exc)
        self.above = None  # it holds us as its transport

    def pause_writing(self) -> None:
        if self.secured:
            self.above.pause_writing()

    def resume_writing(self) -> None:
        if self.secured:
            self.above.resume_writing()

    # Above: what codecs and filters use as their transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._shut or self._below.is_closing():
            return
        size = len(data)
        if not size:
            return
        done: int = self._records.write(data)
        if done < size:  # one record at a time
            rest = memoryview(data)
            while done < size:
                done += self._records.write(rest[done:])
        self._send(self._outgoing.read())

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """TLS knows a half-closed connection since 1.3; as Envoy, say close_notify and read on."""
        self._say_goodbye()

    def close(self) -> None:
        if self.secured:
            self._say_goodbye()
        self._below.close()

    def abort(self) -> None:
        self._shut = True
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def is_reading(self) -> bool:
        return self._below.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.tls if name == "ssl_object" else self._below.get_extra_info(name, default)

    @property
    def transport(self) -> asyncio.Transport:
        return self  # type: ignore[return-value]  # the interface by its methods; inheriting it would cost a dictionary

    # Records

    def _shake_hands(self) -> bool:
        """Go on with the handshake.  Returns whether it is done and the peer is welcome."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._flush()  # the alert that says why
            self._not_secured(error)
            return False
        self._flush()
        self.alpn = self.tls.selected_alpn_protocol() or ""
        self.secured = True
        self.secured = self._owner.on_handshake_done(self)
        if not self.secured:
            self._over = True
            self._below.close()
        return self.secured

    def _not_secured(self, error: ssl.SSLError | None) -> None:
        if not self._over:
            self._over = True
            self._owner.on_handshake_failed(self, error)
            self._below.close()

    def _decrypt(self, most: int) -> None:
        """most: no record holds more plaintext.  The library makes room for as much as it is asked for, and gives the rest back."""
        records, incoming = self._records, self._incoming
        pieces: list[bytes] = []
        ended = broken = self._between_records = False
        try:
            while True:
                piece: bytes = records.read(most)
                if not piece:
                    ended = True
                    break
                pieces.append(piece)
                if not incoming.pending:  # saves the exception that says so
                    self._between_records = True
                    break
        except ssl.SSLWantReadError:
            if not pieces:
                self._owner.on_session(self)
        except ssl.SSLError:
            broken = True
        if self._outgoing.pending:
            self._flush()
        if pieces:
            self.above.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if broken:
            self._below.abort()
        elif ended and not self._end_of_stream():
            self.close()

    def _end_of_stream(self) -> bool:
        """Tell it above, once.  Returns whether the connection shall stay open."""
        if self._ended:
            return not self._below.is_closing()
        self._ended = True
        return bool(self.above.eof_received())

    def _say_goodbye(self) -> None:
        if self._shut or self._below.is_closing():
            return
        self._shut = True
        with contextlib.suppress(ssl.SSLError):  # the peer's answer is not here yet, or never will be
            self.tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._send(self._outgoing.read())


class DiallingTransport(TlsTransport):
    """Begins the handshake as soon as the socket is connected."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.start()
