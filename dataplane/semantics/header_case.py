"""The case of header names on an HTTP/1 wire, for peers that are particular about it.

Here: names in proper case, and names as somebody spelt them.  Inside of the proxy every name is lower case; a message whose names keep
their spelling carries a `HeaderCase` from the parser that read it to whoever writes it.
Envoy: Http1ProtocolOptions.HeaderKeyFormat, ProperCaseHeaderKeyFormatter, PreserveCaseHeaderFormatter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

Field = tuple[bytes, bytes]
Spell = Callable[[bytes], bytes]
"""From a lower-case name to how it is written."""

_WORD_START: Final = re.compile(rb"(?:^|[^0-9A-Za-z])[a-z]")


@dataclass(frozen=True, slots=True)
class PreserveCase:
    """`PreserveCaseFormatterConfig`.

    forward_reason_phrase: the words behind a status go on, too.  others_proper: names that the message did not have get proper case.
    """

    forward_reason_phrase: bool = False
    others_proper: bool = False


class HeaderCase:
    """How one message spells its names.  reason: the words behind its status, where they are to go on."""

    __slots__ = ("_names", "_others_proper", "reason")

    def __init__(self, head: bytes, options: PreserveCase) -> None:
        """head: the whole of it, first line included, known to be well formed."""
        first, *lines = head.split(b"\n")
        self._others_proper = options.others_proper
        self._names: dict[bytes, bytes] = {}
        for line in lines:
            name = line.partition(b":")[0]
            self._names.setdefault(name.lower(), name)  # as Envoy: the first spelling of a repeated name serves for all
        self.reason: bytes | None = None
        if options.forward_reason_phrase and first.startswith(b"HTTP/"):
            self.reason = first.rstrip(b"\r").partition(b" ")[2].partition(b" ")[2]

    def spell(self, name: bytes) -> bytes:
        known = self._names.get(name)
        if known is not None:
            return known
        return proper_case(name) if self._others_proper else name


def proper_case(name: bytes) -> bytes:
    """`x-request-id` → `X-Request-Id`.  Envoy: ProperCaseWords."""
    return _WORD_START.sub(lambda match: match[0].upper(), name)


def spelt_lines(fields: Iterable[Field], spell: Spell) -> list[bytes]:
    """Field lines without their ends."""
    return [spell(name) + b": " + value for name, value in fields]
