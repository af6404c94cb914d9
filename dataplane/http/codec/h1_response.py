"""Responses in HTTP/1.1 form: head, framing of the body, one write for as much as is there.

Here: what goes onto the wire for a stream's encode calls.  Not here: which headers a response has (http.response_headers).
Spec: RFC 9112 section 6.3; content-length is the last field where Envoy adds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.semantics.framing import LAST_CHUNK, encode_chunk
from dataplane.semantics.h1_head import HTTP_10, HTTP_11
from dataplane.semantics.header_case import proper_case, spelt_lines
from dataplane.semantics.reason import REASONS, reason

if TYPE_CHECKING:
    from dataplane.http.manager import BoundManager
    from dataplane.semantics.header_map import HeaderMap, ResponseHeaders

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

    __slots__ = ("_chunked", "_connect", "_head_only", "_manager", "_out", "_spell", "_write", "protocol")

    closes_with_header: Final = True

    def __init__(self, write: Callable[[bytes], None], manager: BoundManager) -> None:
        self._write = write
        self._manager = manager
        self._out = b""  # written at the end of this pass of the loop
        self._spell = proper_case if manager.config.http1.proper_case_headers else None
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
        lines = spelt_lines(headers.fields, self._spell) if self._spell else map(_COLON, headers.fields)
        self._send(_JOIN_LINES((_status_line(headers.status), *lines, *_END)))

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
        if headers.case is not None or self._spell is not None:
            return self._spelt_head(line, headers, end_stream)
        lines, has_length = [line], False
        for name, value in headers.fields:
            lines.append(b"%b: %b" % (name, value))
            has_length = has_length or name == b"content-length"
        lines.extend(_END if has_length else self._framing(status, end_stream))
        return _JOIN_LINES(lines)

    def _spelt_head(self, line: bytes, headers: ResponseHeaders, end_stream: bool) -> bytes:
        """The head of a response whose names are not just in lower case: its own spelling counts before the configured one."""
        case = headers.case
        spell = self._spell if case is None else case.spell
        assert spell is not None
        if case is not None and case.reason is not None:
            line = b"%b %d %b" % (line[:8], headers.status, case.reason)
        lines = spelt_lines(headers.fields, spell)
        if b"content-length" in headers:
            return _JOIN_LINES((line, *lines, *_END))
        framing = self._framing(headers.status, end_stream)
        name, colon, value = framing[0].partition(b":")
        return _JOIN_LINES((line, *lines, spell(name) + colon + value, *framing[1:]))

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
                self._send(_JOIN_LINES((b"0", *map(_COLON, trailers.fields), *_END)))  # as Envoy, always in lower case
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

    def _framing(self, status: int, end_stream: bool) -> tuple[bytes, ...]:
        """How the end of a body without content-length is told."""
        if status < 200 or status == 204 or status == 304:
            return _END
        if end_stream and not self._head_only:
            return _NO_BODY_END
        if self.protocol is HTTP_10 or (self._connect and status < 300):
            return _END
        self._chunked = True
        return _CHUNKED_END


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d %b" % (status, reason(status))
