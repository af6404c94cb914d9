"""Responses in HTTP/1.1 form: head, framing of the body, one write for as much as is there.

Here: what goes onto the wire for a stream's encode calls.  Not here: which headers a response has (http.response_headers).
Spec: RFC 9112 section 6.3; content-length is the last field where Envoy adds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.semantics.framing import LAST_CHUNK, encode_chunk
from dataplane.semantics.h1_head import HTTP_10, HTTP_11
from dataplane.semantics.reason import REASONS, reason

if TYPE_CHECKING:
    from dataplane.http.manager import BoundManager
    from dataplane.semantics.header_map import HeaderMap, ResponseHeaders

_WORD_START: Final = re.compile(rb"(?:^|[^0-9A-Za-z])[a-z]")
_STATUS_LINES: Final = {status: b"HTTP/1.1 %d %b" % (status, phrase) for status, phrase in REASONS.items()}
_COLON: Final = b": ".join
_JOIN_LINES: Final = b"\r\n".join
# From here on a copy costs more than one more write.
_JOIN_BELOW: Final = 16384
# Joined behind a status line and field lines, each gives what must follow.
_END: Final = (b"", b"")
_NO_BODY_END: Final = (b"content-length: 0", b"", b"")
_CHUNKED_END: Final = (b"transfer-encoding: chunked", b"", b"")


class ResponseWriter:
    """The writing half of an HTTP/1 codec."""

    __slots__ = ("_chunked", "_connect", "_head_only", "_manager", "_out", "_proper_case", "_write", "protocol")

    closes_with_header: Final = True

    def __init__(self, write: Callable[[bytes], None], manager: BoundManager) -> None:
        self._write = write
        self._manager = manager
        self._out = b""  # written at the end of this pass of the loop
        self._proper_case = manager.config.http1.proper_case_headers
        self._chunked = False
        self._head_only = False
        self._connect = False
        self.protocol = HTTP_11

    def begin_response(self, version: str, method: bytes) -> None:
        """What the response depends on of its request."""
        self.protocol = version
        self._head_only = method == b"HEAD"
        self._connect = method == b"CONNECT"

    def encode_informational(self, headers: ResponseHeaders) -> None:
        self._send(_JOIN_LINES((_status_line(headers.status), *self._lines(headers), *_END)))

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self._send(self._head(headers, end_stream))

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        head = self._head(headers, False)
        if self._chunked or self._head_only:
            self._send(head)
            self.encode_data(body, True)
        else:
            self._send(head + body)

    def _head(self, headers: ResponseHeaders, end_stream: bool) -> bytes:
        """The head's bytes; decides how the end of the body is told."""
        status = headers.status
        line = _STATUS_LINES.get(status) or _status_line(status)
        if self.protocol is HTTP_10:
            line = b"HTTP/1.0" + line[8:]
        self._chunked = False
        lines = self._lines(headers) if self._proper_case else map(_COLON, headers.fields)
        head = _JOIN_LINES((line, *lines, *_END))
        if b"\r\ncontent-length: " not in head and not self._has_length(head):
            head = head[:-2] + _JOIN_LINES(self._framing(status, end_stream))
        return head

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if self._head_only:
            return
        if not self._chunked:
            if data:
                self._send(data)
            return
        if data:
            self._send(encode_chunk(data))
        if end_stream:
            self._send(LAST_CHUNK)

    def encode_trailers(self, trailers: HeaderMap) -> None:
        """The end of the body; the trailers themselves only where they are enabled."""
        if self._chunked and not self._head_only:
            if self._manager.config.http1.enable_trailers:
                self._send(_JOIN_LINES((b"0", *self._lines(trailers), *_END)))
            else:
                self._send(LAST_CHUNK)

    def _send(self, data: bytes) -> None:
        """Hold *data* back until everything of this pass of the loop can be written at once (base.write_queue)."""
        if not self._out:
            self._out = data
            self._manager.writes.add(self)
        elif len(data) < _JOIN_BELOW:
            self._out += data
        else:
            self.flush()
            self._out = data
            self._manager.writes.add(self)

    def flush(self) -> None:
        data = self._out
        if data:
            self._out = b""
            self._manager.stats.cx_tx_bytes_total.value += len(data)
            self._write(data)

    def on_close(self) -> None:
        self._out = b""

    def _lines(self, headers: HeaderMap) -> list[bytes]:
        if self._proper_case:
            return [proper_case(name) + b": " + value for name, value in headers.fields]
        return list(map(_COLON, headers.fields))

    def _has_length(self, head: bytes) -> bool:
        return self._proper_case and b"\r\nContent-Length: " in head

    def _framing(self, status: int, end_stream: bool) -> tuple[bytes, ...]:
        """How the end of a body without content-length is told."""
        if status < 200 or status == 204 or status == 304:
            return _END
        if end_stream and not self._head_only:
            return self._cased(_NO_BODY_END)
        if self.protocol is HTTP_10 or (self._connect and status < 300):
            return _END
        self._chunked = True
        return self._cased(_CHUNKED_END)

    def _cased(self, end: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if not self._proper_case:
            return end
        name, colon, value = end[0].partition(b":")
        return (proper_case(name) + colon + value, *end[1:])


def proper_case(name: bytes) -> bytes:
    """`x-request-id` → `X-Request-Id`.  Envoy: ProperCaseWords."""
    return _WORD_START.sub(lambda match: match[0].upper(), name)


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d %b" % (status, reason(status))
