"""Heads whose names keep their spelling: read as any other, and what was spelt how goes with them.

Here: the parsers for peers that are configured so.  Not here: how heads are read (h1_head), what a spelling is (header_case).
Nothing is remembered from head to head but by the base class, whose short cut is not taken: two heads that differ in case alone differ.
Envoy: Http1ProtocolOptions.HeaderKeyFormat.stateful_formatter.
"""

from __future__ import annotations

from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import KnownResponseHead, RequestHead, RequestHeadParser, ResponseHead, ResponseHeadParser
from dataplane.semantics.h1_options import Http1Options
from dataplane.semantics.header_case import HeaderCase, PreserveCase


def request_heads(fields: FieldParser, max_bytes: int, options: Http1Options) -> RequestHeadParser:
    """What reads the requests of clients with these options."""
    if options.preserve_case is None:
        return RequestHeadParser(fields, max_bytes, options)
    return SpeltRequestHeads(fields, max_bytes, options, options.preserve_case)


def response_heads(fields: FieldParser, max_bytes: int, options: Http1Options) -> ResponseHeadParser:
    """What reads the responses of a cluster with these options."""
    if options.preserve_case is None:
        return ResponseHeadParser(fields, max_bytes, options)
    return SpeltResponseHeads(fields, max_bytes, options, options.preserve_case)


class SpeltRequestHeads(RequestHeadParser):
    __slots__ = ("_case",)

    def __init__(self, fields: FieldParser, max_bytes: int, options: Http1Options, case: PreserveCase) -> None:
        super().__init__(fields, max_bytes, options)
        self._case = case

    def parse(self, head: bytes) -> RequestHead:
        read = super().parse(head)
        read[0].case = HeaderCase(head, self._case)
        return read

    def parse_known(self, data: bytes) -> RequestHead | None:
        return None


class SpeltResponseHeads(ResponseHeadParser):
    __slots__ = ("_case",)

    def __init__(self, fields: FieldParser, max_bytes: int, options: Http1Options, case: PreserveCase) -> None:
        super().__init__(fields, max_bytes, options)
        self._case = case

    def parse(self, head: bytes) -> ResponseHead:
        read = super().parse(head)
        read[0].case = HeaderCase(head, self._case)
        return read

    def parse_known(self, data: bytes) -> KnownResponseHead | None:
        return None
