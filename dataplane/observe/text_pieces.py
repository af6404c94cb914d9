"""A format string's parts as pieces that give bytes; a log line is theirs, joined.

Here: the pieces, and the line that looks at the headers of each side once for all of them.  Not here: syntax (observe.format), what an
operator means (observe.operators).
A line is written for every request: pieces give bytes, not text, and those of the default format read their fact themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dataplane.observe import flags
from dataplane.observe.timestamps import iso_second
from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders

if TYPE_CHECKING:
    from dataplane.observe.operator_kinds import Fact, Reader
    from dataplane.observe.stream_info import StreamInfo

_SMALL: Final = tuple([b"%d" % number for number in range(1000)])  # numbers are small more often than not
_MILLISECONDS: Final = tuple([b".%03dZ" % number for number in range(1000)])
_PROTOCOLS: Final = {name: name.encode() for name in ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")}


class Facts:
    """What a line is made from.  found: the values of the headers that its pieces ask for, None where there is none."""

    __slots__ = ("found", "info", "request", "response", "trailers")

    def __init__(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
        found: list[bytes | None],
    ) -> None:
        self.request = request
        self.response = response
        self.trailers = trailers
        self.info = info
        self.found = found


class Piece:
    """One part of a line."""

    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        raise NotImplementedError


class Constant(Piece):
    """What stands in the format; also what stands for a missing value."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def text(self, facts: Facts) -> bytes:
        return self._text


class Header(Piece):
    """A field of a side.  slot: its place in Facts.found.  An empty one is there."""

    __slots__ = ("_otherwise", "_slot")

    def __init__(self, slot: int, otherwise: Piece) -> None:
        self._slot = slot
        self._otherwise = otherwise

    def text(self, facts: Facts) -> bytes:
        value = facts.found[self._slot]
        return self._otherwise.text(facts) if value is None else value


class RequestPseudo(Piece):
    """A pseudo-header of the request, or `host`.  An empty one is not there."""

    __slots__ = ("_name", "_otherwise")

    def __init__(self, name: bytes, otherwise: Piece) -> None:
        self._name = name
        self._otherwise = otherwise

    def text(self, facts: Facts) -> bytes:
        value = None if facts.request is None else facts.request.pseudo(self._name)
        return value or self._otherwise.text(facts)


class Status(Piece):
    """`:status` of the response."""

    __slots__ = ("_otherwise",)

    def __init__(self, otherwise: Piece) -> None:
        self._otherwise = otherwise

    def text(self, facts: Facts) -> bytes:
        return self._otherwise.text(facts) if facts.response is None else decimal(facts.response.status)


class Told(Piece):
    """An operator that reads the stream's facts, by its function."""

    __slots__ = ("_missing", "_read")

    def __init__(self, read: Fact, missing: bytes) -> None:
        self._read = read
        self._missing = missing

    def text(self, facts: Facts) -> bytes:
        return _as_bytes(self._read(facts.info), self._missing)


class Read(Piece):
    """Any other operator, by its function."""

    __slots__ = ("_missing", "_read")

    def __init__(self, read: Reader, missing: bytes) -> None:
        self._read = read
        self._missing = missing

    def text(self, facts: Facts) -> bytes:
        return _as_bytes(self._read(facts.request, facts.response, facts.trailers, facts.info), self._missing)


# -- operators of the default format.  What they mean stands in observe.operators; each is made with what stands for a missing value.


class OfStream(Piece):
    """A fact that needs no call."""

    __slots__ = ("_missing",)

    def __init__(self, missing: bytes) -> None:
        self._missing = missing


class StartTime(OfStream):
    """In the default form.  A busy log asks thousands of times for the same second."""

    __slots__ = ("_date", "_second")

    def __init__(self, missing: bytes) -> None:
        super().__init__(missing)
        self._second = -1
        self._date = b""

    def text(self, facts: Facts) -> bytes:
        milliseconds = int(facts.info.start_wall * 1000)
        second = milliseconds // 1000
        if second != self._second:
            self._date, self._second = iso_second(second).encode(), second
        return self._date + _MILLISECONDS[milliseconds % 1000]


class Duration(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        info = facts.info
        return decimal(int((info.end_at - info.start_at) * 1000)) if info.end_at else self._missing


class BytesReceived(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        return decimal(facts.info.bytes_received)


class BytesSent(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        return decimal(facts.info.bytes_sent)


class HttpVersion(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        return _PROTOCOLS.get(facts.info.protocol, self._missing)


class ResponseCode(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        return decimal(facts.info.response_code)


class ResponseFlags(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        raised = facts.info.response_flags
        return flags.short_bytes(raised) if raised else b"-"


class UpstreamHost(OfStream):
    __slots__ = ()

    def text(self, facts: Facts) -> bytes:
        address = facts.info.upstream_host
        return self._missing if address is None else address.wire


# -- lines


class Line:
    """A whole format.  request, response, trailers: the names of the fields that pieces ask for, each with its slot."""

    __slots__ = ("_pieces", "_request", "_response", "_slots", "_trailers")

    def __init__(
        self, pieces: Sequence[Piece], request: dict[bytes, int], response: dict[bytes, int], trailers: dict[bytes, int]
    ) -> None:
        self._pieces = list(pieces)
        self._request = request
        self._response = response
        self._trailers = trailers
        self._slots = len(request) + len(response) + len(trailers)

    def render(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> bytes:
        found: list[bytes | None] = [None] * self._slots
        if request is not None and self._request:
            _look(request.fields, self._request, found)
        if response is not None and self._response:
            _look(response.fields, self._response, found)
        if trailers is not None and self._trailers:
            _look(trailers.fields, self._trailers, found)
        facts = Facts(request, response, trailers, info, found)
        return b"".join([piece.text(facts) for piece in self._pieces])


def _look(fields: list[Field], wanted: dict[bytes, int], found: list[bytes | None]) -> None:
    """Of several fields of a name the first counts."""
    for name, value in fields:
        slot = wanted.get(name)
        if slot is not None and found[slot] is None:
            found[slot] = value


def decimal(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < 1000 else b"%d" % number


def _as_bytes(value: str | int | None, missing: bytes) -> bytes:
    if value is None:
        return missing
    return value.encode("latin-1") if isinstance(value, str) else b"%d" % value
