"""What an HTTP/1.1 connection writes to its host: requests, their framing, one write for as much as is there.

Here: the writing half, and the states that both halves share.  Not here: responses, the life of the connection (h1_connection).
Spec: RFC 9112 section 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.semantics.framing import LAST_CHUNK, encode_chunk
from dataplane.semantics.header_case import Spell, proper_case, spelt_lines
from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from dataplane.base.write_queue import WriteQueue
    from dataplane.observe.stats import Counter
    from dataplane.semantics.h1_options import Http1Options
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders

# What the next bytes from the host are.
CONNECTING, IDLE, HEAD, COUNTED, CHUNKS, UNTIL_CLOSE, CLOSED = range(7)

# What may follow a request that has no end of its own.
UPGRADE, CONNECT = 1, 2

# Requests with other methods say so when they have no body.  RFC 9110 section 8.6.
_BODILESS: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"TRACE", b"CONNECT"})

_CODING: Final = b"transfer-encoding: chunked"
_COLON: Final = b": ".join
_LINES: Final = b"\r\n".join

# Below this a copy is cheaper than one more buffer for the kernel to gather.
_JOIN_BELOW: Final = 4096


class H1Writer(Dialled):
    """The writing half of a connection."""

    __slots__ = (
        "_chunked_request",
        "_no_body",
        "_options",
        "_out",
        "_request_done",
        "_state",
        "_tunnel",
        "_tx_bytes",
        "_writes",
        "transport",
        "write",
    )

    transport: asyncio.Transport
    write: Callable[[bytes], None]
    _chunked_request: bool
    _no_body: bool  # a response to it has none
    _options: Http1Options | None  # None: nothing that a request would show
    _out: bytes
    _request_done: bool
    _state: int
    _tunnel: int  # UPGRADE, CONNECT, or 0
    _tx_bytes: Counter
    _writes: WriteQueue | None

    def encode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        if self._state == CLOSED:
            return
        method = headers.method
        spell: Spell | None = None
        if headers.case is not None or self._options is not None:
            spell = self._spelling(headers)
            lines = self._spelt_head(headers, spell)
        else:
            target = headers.authority if method == b"CONNECT" else headers.path
            lines = [b"%b %b HTTP/1.1\r\nhost: %b" % (method, target, headers.authority)]
            for name, value in headers.fields:
                lines.append(b"%b: %b" % (name, value))
        if end_stream:
            self._request_done = True
            if method not in _BODILESS and b"content-length" not in headers:
                lines.append(b"content-length: 0" if spell is None else spell(b"content-length") + b": 0")
        else:
            if method == b"CONNECT":
                self._tunnel = CONNECT
            elif b"upgrade" in headers:
                self._tunnel = UPGRADE
            if not self._tunnel and b"content-length" not in headers:
                self._chunked_request = True
                lines.append(_CODING if spell is None else spell(b"transfer-encoding") + b": chunked")
        if method == b"HEAD":
            self._no_body = True
        lines.append(b"\r\n")
        self._send(_LINES(lines))

    def _spelling(self, headers: RequestHeaders) -> Spell:
        """The message's own counts before the configured one."""
        if headers.case is not None:
            return headers.case.spell
        return proper_case if self._options is not None and self._options.proper_case_headers else bytes

    def _spelt_head(self, headers: RequestHeaders, spell: Spell) -> list[bytes]:
        target = headers.path
        if headers.method == b"CONNECT":
            target = headers.authority
        elif self._options is not None and self._options.send_fully_qualified_url:
            target = b"%b://%b%b" % (headers.scheme, headers.authority, target)
        first = b"%b %b HTTP/1.1\r\n%b: %b" % (headers.method, target, spell(b"host"), headers.authority)
        return [first, *spelt_lines(headers.fields, spell)]

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if self._state == CLOSED:
            return
        if end_stream:
            self._request_done = True
        if not self._chunked_request:
            if data:
                self._send(data)
            if end_stream and self._tunnel == CONNECT:
                self._end_writing()
        elif len(data) < _JOIN_BELOW:
            framed = (encode_chunk(data) if data else b"") + (LAST_CHUNK if end_stream else b"")
            if framed:
                self._send(framed)
        else:
            for piece in (b"%x\r\n" % len(data), data, b"\r\n" + LAST_CHUNK if end_stream else b"\r\n"):
                self._send(piece)

    def _end_writing(self) -> None:
        """Who asked for the tunnel has ended its side; the other way stays open.  Over TLS, and in Envoy, both ways end."""
        self.flush()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _send(self, data: bytes) -> None:
        """Hold *data* back until everything of this pass of the loop can be written at once."""
        self._tx_bytes.value += len(data)
        if self._writes is None:
            self.write(data)
            return
        if not self._out:
            self._out = data
            self._writes.add(self)
        elif len(data) < _JOIN_BELOW:
            self._out += data
        else:
            self.flush()
            self.write(data)

    def flush(self) -> None:
        """base.write_queue.Flushable."""
        data, self._out = self._out, b""
        if data and self._state != CLOSED:
            self.write(data)

    def encode_trailers(self, trailers: HeaderMap) -> None:
        """Ends the request.  The fields are dropped, as in Envoy, unless trailers are enabled and the body's form has a place for them."""
        if self._options is None or not self._options.enable_trailers or not self._chunked_request or self._state == CLOSED:
            self.encode_data(b"", True)
            return
        self._request_done = True
        self._send(_LINES((b"0", *map(_COLON, trailers.fields), b"", b"")))
