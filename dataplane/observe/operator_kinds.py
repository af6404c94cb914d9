"""What an operator of a format string may be, and how its value is read.

Here: operators told apart by what they look at, so that a format can read all headers of a side at once and the facts without a detour.
Not here: which operators there are (observe.operators), rendering (observe.format).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.observe.text_pieces import Piece

Value = str | int | None
Fact = Callable[["StreamInfo"], Value]
Reader = Callable[["FormatterContext"], Value]


@dataclass(frozen=True, slots=True)
class OfInfo:
    """An operator that reads only the stream's facts.

    piece: makes the operator's own piece of a line, for operators of the default format, whose call costs more than their work.
    whole: what a JSON format takes in its place where the value may be more than text; None: the same.
    """

    read: Fact
    piece: Callable[[], Piece] | None = None
    whole: Callable[[StreamInfo], object] | None = None


@dataclass(frozen=True, slots=True)
class OfHeader:
    """A header, or a second one where there is no first.  side: "request", "response" or "trailers".  length: cut to so many bytes."""

    side: str
    main: bytes
    alternative: bytes | None
    length: int | None


@dataclass(frozen=True, slots=True)
class OfAll:
    """Any other operator."""

    read: Reader


Operator = OfInfo | OfHeader | OfAll


def wire(text: str) -> str:
    """Text as a wire string: one character per UTF-8 byte."""
    return text if text.isascii() else text.encode().decode("latin-1")


def header_reader(operator: OfHeader) -> Reader:
    """The operator by itself."""
    side, main, alternative, length = operator.side, operator.main, operator.alternative, operator.length

    def read(context: FormatterContext) -> Value:
        headers = context.request if side == "request" else context.response if side == "response" else context.trailers
        if headers is None:
            return None
        value = headers.pseudo(main) or headers.get(main)
        if value is None and alternative is not None:
            value = headers.pseudo(alternative) or headers.get(alternative)
        return None if value is None else value[:length].decode("latin-1")

    return read
