"""aiohttp's C parsers, for heads.

Here: all that is known of aiohttp's parser classes, which are no stable API: the minor series is pinned, and this module's tests say what is
relied on.  A parser is fed exactly one head at a time and takes a message for complete after its head (`response_with_body=False`); bodies
are framed by semantics.framing.  Not here: what a head means (h1_head).
What the parser refuses is not necessarily wrong: it answers None, and the exact reading in h1_head decides as Envoy would.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from aiohttp.http_writer import HttpVersion11

RawFields = tuple[tuple[bytes, bytes], ...]

# The parser's own limits only have to be above ours, which answer with Envoy's status.
_SLACK: Final = 64


class CRequestHeads:
    """Reads request heads.  One serves all connections of a listener: between two heads a parser remembers nothing."""

    __slots__ = ("_max_bytes", "_max_fields", "_parser")

    def __init__(self, max_fields: int, max_bytes: int) -> None:
        self._max_fields = max_fields + _SLACK
        self._max_bytes = max_bytes + _SLACK
        self._parser = self._new()

    def fields_of(self, head: bytes) -> RawFields | None:
        """The fields of an HTTP/1.1 request, names as they were sent; None where the C parser does not take the head."""
        try:
            messages, _, _ = self._parser.feed_data(head)
        except (HttpProcessingError, ValueError):
            self._parser = self._new()
            return None
        if len(messages) != 1:
            self._parser = self._new()
            return None
        message = messages[0][0]
        if message.should_close or message.upgrade or message.method == "CONNECT":
            self._parser = self._new()  # this one has ended with its message
        raw_fields: RawFields | None = message.raw_headers if message.version == HttpVersion11 else None
        return raw_fields

    def _new(self) -> Any:
        size = self._max_bytes
        return HttpRequestParser(
            None, None, size, max_line_size=size, max_headers=self._max_fields, max_field_size=size,
            response_with_body=False, auto_decompress=False,
        )  # fmt: skip


class CResponseHeads:
    """Reads response heads.  One serves all connections of a cluster."""

    __slots__ = ("_max_bytes", "_max_fields", "_parser")

    def __init__(self, max_fields: int, max_bytes: int) -> None:
        self._max_fields = max_fields + _SLACK
        self._max_bytes = max_bytes + _SLACK
        self._parser = self._new()

    def fields_of(self, head: bytes) -> RawFields | None:
        """The fields of a response, names as they were sent; None where the C parser does not take the head."""
        try:
            messages, _, _ = self._parser.feed_data(head)
        except (HttpProcessingError, ValueError):
            self._parser = self._new()
            return None
        if len(messages) != 1:
            self._parser = self._new()
            return None
        message = messages[0][0]
        if message.should_close or message.upgrade:
            self._parser = self._new()
        raw_fields: RawFields = message.raw_headers
        return raw_fields

    def _new(self) -> Any:
        size = self._max_bytes
        return HttpResponseParser(
            None, None, size, max_line_size=size, max_headers=self._max_fields, max_field_size=size,
            response_with_body=False, auto_decompress=False,
        )  # fmt: skip
