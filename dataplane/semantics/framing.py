"""How long a message body is on an HTTP/1 wire: the `chunked` coding, decoded and encoded.

Here: bytes in, body pieces out, no I/O and no parser object beneath.  Not here: heads (h1_head), who may send a body at all (the codecs).
Strict and lenient where Envoy's codec is, tried case by case: a size line is hexadecimal digits, then anything after a blank or a
semicolon, and ends in CR LF; after the data everything up to the line feed is skipped; a trailer line may end in a bare line feed.
Spec: RFC 9112 section 7.1.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from dataplane.base.errors import ProtocolError
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.header_map import Field

# What a head's framing fields say of the body's length, where it is no number of bytes.
CHUNKED: Final = -1
NOT_GIVEN: Final = -2  # no body in a request; until the connection closes in a response

# Envoy differs: it skips chunk extensions of any length.  Nobody sends them, and a megabyte of extension per body byte is an attack.
MAX_SIZE_LINE: Final = 16 * 1024
_MAX_SIZE: Final = (1 << 64) - 1

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t;][^\r\n]*)?")
_SIZE_LINE_BEGUN: Final = re.compile(rb"[0-9A-Fa-f]+(?:[ \t;][^\r\n]*)?\r?")

_TOO_MANY_DIGITS: Final = re.compile(rb"0*[1-9A-Fa-f][0-9A-Fa-f]{16}")
_LAST_SIZE: Final = re.compile(rb"0+(?![0-9A-Fa-f])")

_SIZE, _DATA, _AFTER_DATA, _TRAILERS, _DONE = range(5)

LAST_CHUNK: Final = b"0\r\n\r\n"


class ChunkedDecoder:
    """One chunked body.  After `done`, `trailers` holds its trailer fields and `rest` the bytes that came behind it.

    most: chunks that one `feed` reads; before `done`, `rest` holds what it left, which is to be fed again.

    error: what is wrong with the bytes behind the whole body, which as in Envoy is passed on all the same.
    """

    __slots__ = ("_begun", "_fields", "_left", "_max_trailers", "_most", "_state", "error", "rest", "trailers")

    def __init__(self, fields: FieldParser, max_trailers: int = 60 * 1024, most: int = sys.maxsize) -> None:
        """fields: reads trailer lines.  max_trailers: bytes of the whole trailer section."""
        self._fields = fields
        self._most = most
        self._max_trailers = max_trailers
        self._state = _SIZE
        self._left = 0  # bytes of the current chunk still to come
        self._begun = b""  # a line of which the end is still to come
        self.trailers: list[Field] = []
        self.rest = b""
        self.error: ProtocolError | None = None

    @property
    def done(self) -> bool:
        return self._state == _DONE

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the body pieces in it.  Raises ProtocolError, or sets `error`; then the connection is beyond use."""
        pieces: list[bytes] = []
        try:
            self._read(data, pieces)
        except ProtocolError as error:
            if self._state != _TRAILERS:
                raise
            self.error = error
        return pieces

    def _read(self, data: bytes, pieces: list[bytes]) -> None:
        at = 0
        if self._begun:
            data = self._begun + data
            self._begun = b""
        end = len(data)
        while at < end:
            if self._state == _DATA:
                at = self._take_data(data, at, pieces)
            elif self._state == _SIZE:
                at = self._take_size(data, at)
            elif self._state == _AFTER_DATA:
                at = data.find(b"\n", at) + 1
                if not at:
                    break
                self._state = _SIZE
                if len(pieces) >= self._most:
                    self.rest = data[at:]
                    break
            elif self._state == _TRAILERS:
                at = self._take_trailers(data, at)
            else:
                self.rest += data[at:]
                break

    def _take_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _AFTER_DATA
        return at + len(piece)

    def _take_size(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at)
        if end < 0:
            self._keep_begun_size(data[at:])
            return len(data)
        line = _SIZE_LINE.fullmatch(data, at, end)
        if line is None:
            raise self._bad_size(data[at:])
        size = int(line[1], 16)
        if size > _MAX_SIZE:
            raise ProtocolError(400, "http1.codec_error")
        self._left = size
        self._state = _DATA if size else _TRAILERS
        return end + 2

    def _keep_begun_size(self, begun: bytes) -> None:
        if len(begun) > MAX_SIZE_LINE or not _SIZE_LINE_BEGUN.fullmatch(begun) or _TOO_MANY_DIGITS.match(begun):
            raise self._bad_size(begun)
        self._begun = begun

    def _bad_size(self, line: bytes) -> ProtocolError:
        if _LAST_SIZE.match(line):
            self._state = _TRAILERS
        return ProtocolError(400, "http1.codec_error")

    def _take_trailers(self, data: bytes, at: int) -> int:
        """Wait for the empty line; without any trailer it comes at once."""
        if data.startswith(b"\r\n", at):
            self._state = _DONE
            return at + 2
        end = end_of_lines(data, at)
        if end < 0 or end - at > self._max_trailers:
            if len(data) - at > self._max_trailers:
                raise ProtocolError(431, "http1.headers_too_large")
            self._begun = data[at:]
            return len(data)
        self.trailers = self._fields.parse_lines(data[at:end])
        self._state = _DONE
        return end


def end_of_lines(data: bytes, at: int) -> int:
    """Where the first empty line from *at* on ends, or -1.  Lines end in CR LF or a bare LF."""
    if data.startswith((b"\n", b"\r\n"), at):
        return data.index(b"\n", at) + 1
    crlf = data.find(b"\n\r\n", at)
    bare = data.find(b"\n\n", at, len(data) if crlf < 0 else crlf + 1)
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else -1


def encode_chunk(data: bytes) -> bytes:
    """One chunk.  *data* must not be empty: an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
