"""Heads of HTTP/1 messages: bytes in, request or response headers and the framing they ask for out.

Here: start lines, targets, lengths, persistence, with Envoy's verdict on odd ones.  Not here: field lines (h1_fields), bodies (framing),
what a proxy does with the headers (http, router).

Plain heads go through aiohttp's C parser (c_heads), odd ones (bare line feeds, folded lines, blanks around the start line, repeated fields)
and those which the C parser refuses through the exact reading below, whose verdict is Envoy's.
Spec: RFC 9112 sections 2 to 6 and 9.3.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from dataplane.base.errors import ProtocolError
from dataplane.semantics import inline_headers, noticed
from dataplane.semantics.c_heads import CRequestHeads, CResponseHeads
from dataplane.semantics.framing import CHUNKED, NOT_GIVEN
from dataplane.semantics.h1_fields import PLAIN, TOKEN, FieldParser, plain_lines
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders

# Envoy's own list; MSEARCH without its hyphen is Envoy's spelling.
METHODS: Final = frozenset(
    b"ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST "
    b"PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)
_PLAIN_METHODS: Final = METHODS - {b"CONNECT"}  # whose target is a path
# With these a request line that has control characters is told of them, with any other it is a codec_error, as in Envoy.
FIRST_BYTES_OF_METHODS: Final = frozenset(method[0] for method in METHODS)

HTTP_10: Final = "HTTP/1.0"
HTTP_11: Final = "HTTP/1.1"

_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_BLANKS: Final = re.compile(rb"[ \t]+")
_ABSOLUTE: Final = re.compile(rb"([A-Za-z]+)://([-A-Za-z0-9._~%:\[\]@!$&'()*+,;=]*)([/?].*)?")
_PORT: Final = re.compile(rb":(?:0*([0-9]*[0-9]))?$")
_MAX_PORT: Final = 65535
_MAX_PORT_DIGITS: Final = 5
_AUTHORITY: Final = re.compile(rb"(?:[-A-Za-z0-9._~]+|\[[0-9A-Fa-f:.]+\]):[0-9]+")
_STATUS_LINE: Final = re.compile(rb"(HTTP/[0-9]\.[0-9])[ \t]+([0-9]+)(?:[ \t].*)?", re.DOTALL)
_MAX_LENGTH: Final = (1 << 64) - 1
_MAX_LENGTH_DIGITS: Final = 20  # without leading zeros, of which there may be any number

_REQUEST_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
_RESPONSE_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_OK_LENGTH: Final = len(_OK)
_MAX_STATUS_LINES: Final = 200
_MAX_STATUS_LINE_LENGTH: Final = 64

# Field blocks that are remembered: few and short, since they are kept for speed alone.
_MAX_BLOCKS: Final = 256
_MAX_BLOCK_LENGTH: Final = 1024
_PATH: Final = re.compile(rb"/[!-~]*")
_CRLFS: Final = tuple(b"\r\n" * count for count in range(2000))

# (headers, length of the body in bytes or CHUNKED or NOT_GIVEN, may the connection be used again, version, was there a host field)
RequestHead = tuple[RequestHeaders, int, bool, str, bool]
# (headers, length of the body, may the connection be used again, version)
ResponseHead = tuple[ResponseHeaders, int, bool, str]
# (headers, length of the body, may the connection be used again, where the head ends)
KnownResponseHead = tuple[ResponseHeaders, int, bool, int]


def find_head_end(data: bytes | bytearray, start: int = 0) -> int:
    """Where the first head of *data* ends: behind its empty line; -1: not yet.  Lines end in CR LF or a bare LF.

    start: where to look from, at least three bytes before what was not looked at yet.
    Empty lines before a request are the caller's to take off (RFC 9112 section 2.2).
    """
    crlf = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, len(data) if crlf < 0 else crlf + 1)
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else -1


class _AnyToken:
    """Every method that may be one.  Envoy: Http1ProtocolOptions.allow_custom_methods."""

    def __contains__(self, method: object) -> bool:
        return isinstance(method, bytes) and TOKEN.fullmatch(method) is not None


class RequestHeadParser:
    """Reads request heads.  One serves all connections of a listener."""

    __slots__ = ("_absolute", "_allow_length_and_chunked", "_blocks", "_fields", "_heads", "_max_bytes", "_methods")

    def __init__(self, fields: FieldParser, max_bytes: int = 60 * 1024, options: Http1Options = DEFAULT_HTTP1) -> None:
        self._fields = fields
        self._heads = CRequestHeads(fields.max_count, max_bytes)
        # Authority, other fields and what is to be noticed of blocks without a body.
        self._blocks: dict[bytes, tuple[bytes, tuple[Field, ...], tuple[bytes, ...]]] = {}
        self._max_bytes = max_bytes
        self._allow_length_and_chunked = options.allow_chunked_length
        self._absolute = options.allow_absolute_url
        self._methods: Container[bytes] = _AnyToken() if options.allow_custom_methods else METHODS

    def parse(self, head: bytes) -> RequestHead:
        """Read one head, up to and including its empty line.  Raises ProtocolError with the status to answer."""
        if len(head) > self._max_bytes:
            raise ProtocolError(431, "http1.headers_too_large")
        known = self.parse_known(head)
        if known is not None:
            return known
        line, _, block = head.partition(b"\r\n")
        found: list[Field] = []
        raw_fields = self._heads.fields_of(head) if _is_plain(head) else None
        if raw_fields is None:
            line, fields = _split_odd(head, self._fields, _REQUEST_FRAMING, found)
        else:
            fields = self._fields.take(raw_fields, _REQUEST_FRAMING, found)
        method, target, version = _request_line(line, self._methods)
        headers = RequestHeaders(method, target, b"", b"http", inline_headers.joined(fields, inline_headers.REQUEST))
        length, keep_alive, has_host = self._apply_framing(headers, found, version is HTTP_11)
        if raw_fields is not None and [name for name, _ in found] == [b"host"]:
            self._remember(block, headers)
        if target[:1] != b"/" or method == b"CONNECT" or not target.isascii() or b"\t" in target:
            has_host = _odd_target(headers, self._absolute) or has_host
        return headers, length, keep_alive, version, has_host

    def parse_known(self, data: bytes) -> RequestHead | None:
        """Read *data* if it is one whole head, and all but its first line came before; None otherwise."""
        line, _, block = data.partition(b"\r\n")
        known = self._blocks.get(block)
        if known is None or len(data) > self._max_bytes:
            return None
        start = line.split(b" ")
        if len(start) != 3 or start[2] != b"HTTP/1.1" or start[0] not in _PLAIN_METHODS or not _PATH.fullmatch(start[1]):
            return None
        authority, fields, names = known
        return RequestHeaders(start[0], start[1], authority, b"http", list(fields), b"", names), NOT_GIVEN, True, HTTP_11, True

    def _apply_framing(self, headers: RequestHeaders, found: list[Field], keep_alive: bool) -> tuple[int, bool, bool]:
        """Take the host off the fields; length of the body, whether the connection persists, whether there was a host."""
        length, has_host = NOT_GIVEN, False
        codings: list[bytes] = []
        for field in found:
            name, value = field
            if name == b"host":
                headers.fields.remove(field)
                headers.authority = headers.authority + b"," + value if has_host else value
                has_host = True
            elif name == b"connection":
                keep_alive = persists(value, keep_alive)
            elif name == b"content-length":
                length = content_length(value, length)
            else:
                codings.append(value)
        if codings or (length >= 0 and headers.method == b"CONNECT"):
            length = self._apply_codings(headers, codings, length)
        return length, keep_alive, has_host

    def _apply_codings(self, headers: RequestHeaders, codings: list[bytes], length: int) -> int:
        """The length of a body that is coded, or of a CONNECT, which has none.  In Envoy's order: which error wins is seen outside."""
        is_chunked = len(codings) == 1 and codings[0].lower() == b"chunked"
        if codings and length != NOT_GIVEN:
            if not (self._allow_length_and_chunked and is_chunked):
                raise ProtocolError(400, "http1.content_length_and_chunked_not_allowed")
            headers.remove(b"content-length")
        if codings and (not is_chunked or headers.method == b"CONNECT"):
            raise ProtocolError(501, "http1.invalid_transfer_encoding")
        if codings:
            return CHUNKED
        if length:
            raise ProtocolError(400, "http1.body_disallowed")
        headers.remove(b"content-length")
        return NOT_GIVEN

    def _remember(self, block: bytes, headers: RequestHeaders) -> None:
        """A client says the same with each request but for the first line; HPACK lives of that, too."""
        if len(block) <= _MAX_BLOCK_LENGTH:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.clear()
            fields = tuple(headers.fields)
            self._blocks[block] = (headers.authority, fields, noticed.among(noticed.REQUEST, list(fields)))


class ResponseHeadParser:
    """Reads response heads.  One serves all connections of a cluster."""

    __slots__ = ("_allow_length_and_chunked", "_blocks", "_fields", "_heads", "_max_bytes", "_status_lines")

    def __init__(self, fields: FieldParser, max_bytes: int = 60 * 1024, options: Http1Options = DEFAULT_HTTP1) -> None:
        self._allow_length_and_chunked = options.allow_chunked_length
        self._fields = fields
        self._heads = CResponseHeads(fields.max_count, max_bytes)
        # Length, persistence, fields and what is to be noticed of them.
        self._blocks: dict[bytes, tuple[int, bool, tuple[Field, ...], tuple[bytes, ...]]] = {}
        self._max_bytes = max_bytes
        self._status_lines: dict[bytes, tuple[int, str]] = {}  # those seen before

    def parse_known(self, data: bytes) -> KnownResponseHead | None:
        """Read the head that *data* begins with if all but its first line came before; None otherwise."""
        end = data.find(b"\r\n\r\n") + 4
        if end < _OK_LENGTH or not data.startswith(_OK):
            return None
        known = self._blocks.get(data[_OK_LENGTH:end])
        if known is None:
            return None
        length, keep_alive, fields, names = known
        return ResponseHeaders(200, list(fields), names), length, keep_alive, end

    def parse(self, head: bytes) -> ResponseHead:
        """Read one head, up to and including its empty line.  Raises ProtocolError.

        The length is what the head says; that HEAD, 1xx, 204 and 304 have no body is for the caller, who knows the request.
        """
        line, _, block = head.partition(b"\r\n")
        if len(head) > self._max_bytes:
            raise ProtocolError(502, "http1.headers_too_large")
        found: list[Field] = []
        raw_fields = self._heads.fields_of(head) if _is_plain(head) else None
        if raw_fields is None:
            line, fields = _split_odd(head, self._fields, _RESPONSE_FRAMING, found)
        else:
            fields = self._fields.take(raw_fields, _RESPONSE_FRAMING, found)
        fields = inline_headers.joined(fields, inline_headers.RESPONSE)
        status, version = self._status_lines.get(line) or self._learn(line)
        length, keep_alive, coded = NOT_GIVEN, version is HTTP_11, False
        for name, value in found:
            if name == b"content-length":
                length = content_length(value, length)
            elif name == b"connection":
                keep_alive = persists(value, keep_alive)
            else:
                coded = True
        if coded:
            if length != NOT_GIVEN and self._allow_length_and_chunked:
                length = NOT_GIVEN
                fields[:] = [field for field in fields if field[0] != b"content-length"]
            length = _response_coding(status, length, found)
        elif length >= 0 and (status < 200 or status == 204):
            if length or status != 204:
                raise ProtocolError(502, "http1.content_length_not_allowed")
            fields[:] = [field for field in fields if field[0] != b"content-length"]
        if status == 200 and raw_fields is not None and version is HTTP_11:
            self._remember(block, length, keep_alive, fields)
        return ResponseHeaders(status, fields), length, keep_alive, version

    def _remember(self, block: bytes, length: int, keep_alive: bool, fields: list[Field]) -> None:
        """Answers of one second that differ only in their body are common."""
        if len(block) <= _MAX_BLOCK_LENGTH:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = (length, keep_alive, tuple(fields), noticed.among(noticed.RESPONSE, fields))

    def _learn(self, start_line: bytes) -> tuple[int, str]:
        found = _status_line(start_line)
        if len(self._status_lines) < _MAX_STATUS_LINES and len(start_line) <= _MAX_STATUS_LINE_LENGTH:
            self._status_lines[start_line] = found
        return found


def content_length(value: bytes, before: int) -> int:
    """The number in a content-length field.  before: the number of an earlier one, which may not be."""
    if before != NOT_GIVEN or not value.isdigit():
        raise ProtocolError(400, "http1.codec_error")
    if len(value) > _MAX_LENGTH_DIGITS:
        value = value.lstrip(b"0")[: _MAX_LENGTH_DIGITS + 1] or b"0"
    length = int(value)
    if length > _MAX_LENGTH:
        raise ProtocolError(400, "http1.codec_error")
    return length


def persists(connection: bytes, default: bool) -> bool:
    """Whether a connection may be used again, from its `connection` field.  default: what the version says."""
    if connection == b"keep-alive":
        return True
    if connection == b"close":
        return False
    tokens = [token.strip() for token in connection.lower().split(b",")]
    if b"close" in tokens:
        return False
    return default or b"keep-alive" in tokens


def _is_plain(head: bytes) -> bool:
    """Whether a head has no control characters, no bare line ends and no folded lines: only such go through the C parser."""
    return head.translate(None, PLAIN) == _CRLFS[head.count(b"\n")] and b"\r\n " not in head and b"\r\n\t" not in head


def _split_odd(head: bytes, parser: FieldParser, wanted: frozenset[bytes], found: list[Field]) -> tuple[bytes, list[Field]]:
    start_line, _, rest = head.partition(b"\n")
    start_line = start_line.removesuffix(b"\r")
    if start_line.translate(None, PLAIN):
        is_none = b"\r" in start_line or start_line[0] not in FIRST_BYTES_OF_METHODS
        raise ProtocolError(400, "http1.codec_error" if is_none else "http1.invalid_characters")
    return start_line, parser.parse(plain_lines(rest), wanted, found)


def _request_line(line: bytes, methods: Container[bytes]) -> tuple[bytes, bytes, str]:
    """A request line, maybe with more blanks than it needs or of an older version.  Anything else is refused."""
    start = line.split(b" ")
    if len(start) == 3 and start[2] == b"HTTP/1.1" and start[0] in methods and start[1]:
        return start[0], start[1], HTTP_11
    if line[:1] in (b" ", b"\t"):
        raise ProtocolError(400, "http1.codec_error")
    parts = _BLANKS.split(line.rstrip(b" \t"))
    if len(parts) == 2:
        parts.append(b"HTTP/0.9")
    if len(parts) != 3 or parts[0] not in methods or not _VERSION.fullmatch(parts[2]):
        raise ProtocolError(400, "http1.codec_error")
    return parts[0], parts[1], HTTP_11 if parts[2] == b"HTTP/1.1" else HTTP_10


def _odd_target(headers: RequestHeaders, absolute_is_allowed: bool) -> bool:
    """Take a target apart that is no plain path: authority form, absolute form, asterisk.  Says whether it named an authority.

    Where an absolute one is not allowed, as Envoy, what might be one is left for a path, which no route has.
    """
    target = headers.path
    if headers.method == b"CONNECT":
        if not _AUTHORITY.fullmatch(target) or not _has_possible_port(target):
            raise ProtocolError(400, "http1.invalid_url")
        headers.authority, headers.path = target, b""
        return True
    if not target.isascii() or b"\t" in target:
        raise ProtocolError(400, "http1.codec_error")
    if target[:1] == b"*":
        if not absolute_is_allowed:
            return False
        if target != b"*" or headers.method != b"OPTIONS":
            raise ProtocolError(400, "http1.invalid_url")
        return False
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise ProtocolError(400, "http1.codec_error")
    if not absolute_is_allowed:
        return False
    scheme, authority, path = absolute[1].lower(), absolute[2].rpartition(b"@")[2], absolute[3]
    if not authority or not _has_possible_port(authority):
        raise ProtocolError(400, "http1.invalid_url")
    if scheme not in (b"http", b"https"):
        raise ProtocolError(400, "http1.invalid_scheme")
    headers.scheme, headers.authority, headers.path = scheme, authority, path or b"/"
    return True


def _has_possible_port(authority: bytes) -> bool:
    """Whether a port, if there is a colon for one, is a number of 16 bits."""
    port = _PORT.search(authority)
    return port is None or (port[1] is not None and len(port[1]) <= _MAX_PORT_DIGITS and int(port[1]) <= _MAX_PORT)


def _status_line(line: bytes) -> tuple[int, str]:
    if line[:9] == b"HTTP/1.1 " and (line[12:13] == b" " or len(line) == 12) and line[9:12].isdigit():
        status = int(line[9:12])
        version = HTTP_11
    else:
        match = _STATUS_LINE.fullmatch(line)
        if match is None or len(match[2]) > 4:
            raise ProtocolError(502, "http1.codec_error")
        status = int(match[2])
        version = HTTP_11 if match[1] == b"HTTP/1.1" else HTTP_10
    if status < 100:
        raise ProtocolError(502, "http1.codec_error")
    return status, version


def _response_coding(status: int, length: int, found: list[Field]) -> int:
    """The length of a response with a transfer-encoding: CHUNKED, or it is refused."""
    codings = [value.lower() for name, value in found if name == b"transfer-encoding"]
    if length != NOT_GIVEN or status < 200 or status == 204:
        raise ProtocolError(
            502, "http1.content_length_and_chunked_not_allowed" if length != NOT_GIVEN else "http1.transfer_encoding_not_allowed"
        )
    if codings != [b"chunked"]:
        raise ProtocolError(502, "http1.invalid_transfer_encoding")
    return CHUNKED
