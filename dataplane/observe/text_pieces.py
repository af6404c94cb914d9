"""A format string's operators as pieces that give bytes; a log line is its constant text with theirs between.

Here: the pieces, and the line that looks at the headers of each side once for all of them.  Not here: syntax (observe.format), what an
operator means (observe.operators).
A line is written for every request: pieces give bytes, not text, and those of the default format read their fact themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dataplane.observe import flags
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.timestamps import iso_second
from dataplane.semantics.header_map import Field

if TYPE_CHECKING:
    from dataplane.observe.operator_kinds import Fact, Reader

_SMALL: Final = tuple([b"%d" % number for number in range(1000)])  # numbers are small more often than not
_MILLISECONDS: Final = tuple([b".%03dZ" % number for number in range(1000)])
_PROTOCOLS: Final = {name: name.encode() for name in ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")}


class Piece:
    """What one operator puts into a line."""

    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        """None: there is no such value.  found: the headers that the pieces of the line ask for, by slot."""
        raise NotImplementedError


class Header(Piece):
    """A field of a side, by its slot among the found.  An empty one is there."""

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return found[self._slot]


class RequestPseudo(Piece):
    """A pseudo-header of the request, or `host`.  An empty one is not there."""

    __slots__ = ("_name",)

    def __init__(self, name: bytes) -> None:
        self._name = name

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return None if context.request is None else context.request.pseudo(self._name) or None


class Status(Piece):
    """`:status` of the response."""

    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return None if context.response is None else _decimal(context.response.status)


class Either(Piece):
    """`A?B`: the second where there is no first."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Piece, second: Piece) -> None:
        self._first = first
        self._second = second

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        value = self._first.text(context, found)
        return self._second.text(context, found) if value is None else value


class Told(Piece):
    """An operator that reads the stream's facts, by its function."""

    __slots__ = ("_read",)

    def __init__(self, read: Fact) -> None:
        self._read = read

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _as_bytes(self._read(context.info))


class Read(Piece):
    """Any other operator, by its function."""

    __slots__ = ("_read",)

    def __init__(self, read: Reader) -> None:
        self._read = read

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _as_bytes(self._read(context))


# -- operators of the default format.  What they mean stands in observe.operators.


class StartTime(Piece):
    """In the default form.  A busy log asks thousands of times for the same second."""

    __slots__ = ("_date", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._date = b""

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        milliseconds = int(context.info.start_wall * 1000)
        second = milliseconds // 1000
        if second != self._second:
            self._date, self._second = iso_second(second).encode(), second
        return self._date + _MILLISECONDS[milliseconds % 1000]


class Duration(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        info = context.info
        return _decimal(int((info.end_at - info.start_at) * 1000)) if info.end_at else None


class BytesReceived(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _decimal(context.info.bytes_received)


class BytesSent(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _decimal(context.info.bytes_sent)


class HttpVersion(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _PROTOCOLS.get(context.info.protocol)


class ResponseCode(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        return _decimal(context.info.response_code)


class ResponseFlags(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        raised = context.info.response_flags
        return flags.short_bytes(raised) if raised else b"-"


class UpstreamHost(Piece):
    __slots__ = ()

    def text(self, context: FormatterContext, found: list[bytes | None]) -> bytes | None:
        address = context.info.upstream_host
        return None if address is None else address.wire


# -- lines


class Line:
    """A whole format.  constants: the text before, between and behind the pieces.  missing: what stands for a value that is not there.
    request, response, trailers: the names of the fields that pieces ask for, each with its slot.
    """

    __slots__ = ("_pieces", "_request", "_response", "_slots", "_template", "_trailers")

    def __init__(
        self,
        constants: Sequence[bytes],
        pieces: Sequence[Piece],
        missing: bytes,
        *,
        request: dict[bytes, int],
        response: dict[bytes, int],
        trailers: dict[bytes, int],
    ) -> None:
        self._template = [constants[0]]  # what a line is where every value is missing; the values' places are the odd ones
        for constant in constants[1:]:
            self._template += (missing, constant)
        self._pieces = list(pieces)
        self._request = request
        self._response = response
        self._trailers = trailers
        self._slots = len(request) + len(response) + len(trailers)

    def render(self, context: FormatterContext) -> bytes:
        """The text."""
        found: list[bytes | None] = [None] * self._slots
        if context.request is not None and self._request:
            _look(context.request.fields, self._request, found)
        if context.response is not None and self._response:
            _look(context.response.fields, self._response, found)
        if context.trailers is not None and self._trailers:
            _look(context.trailers.fields, self._trailers, found)
        parts, place = self._template.copy(), 1
        for piece in self._pieces:
            value = piece.text(context, found)
            if value is not None:
                parts[place] = value
            place += 2
        return b"".join(parts)


def _look(fields: list[Field], wanted: dict[bytes, int], found: list[bytes | None]) -> None:
    """Of several fields of a name the first counts."""
    for name, value in fields:
        slot = wanted.get(name)
        if slot is not None and found[slot] is None:
            found[slot] = value


def _decimal(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < 1000 else b"%d" % number


def _as_bytes(value: str | int | None) -> bytes | None:
    if value is None:
        return None
    return value.encode("latin-1") if isinstance(value, str) else b"%d" % value
