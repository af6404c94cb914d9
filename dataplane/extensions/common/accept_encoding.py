"""Which of several compressors a client's `accept-encoding` chooses.

Envoy: CompressorFilter::chooseEncoding; RFC 9110 section 12.5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

_IDENTITY: Final = b"identity"
_WILDCARD: Final = b"*"


class Why(Enum):
    """The counter that tells of a choice."""

    USED = "header_compressor_used"
    IDENTITY = "header_identity"
    WILDCARD = "header_wildcard"
    NOT_VALID = "header_not_valid"


class Choice(NamedTuple):
    encoding: bytes
    why: Why


def choose(accept_encoding: bytes, offered: Sequence[bytes]) -> Choice:
    """offered: encodings in the order of their filters; the first of them is what a wildcard means."""
    asked = [pair for token in accept_encoding.split(b",") if (pair := _weighted(token)) is not None]
    refused = {name for name, weight in asked if not weight}
    allowed = [encoding for encoding in offered if encoding not in refused]
    if not allowed:
        return Choice(_IDENTITY, Why.NOT_VALID)
    best, most = _IDENTITY, 0.0
    for name, weight in asked:
        if weight > most and (name in allowed or name in (_IDENTITY, _WILDCARD)):
            best, most = name, weight
    if not most:
        return Choice(_IDENTITY, Why.NOT_VALID)
    if best == _IDENTITY:
        return Choice(best, Why.IDENTITY)
    return Choice(allowed[0], Why.WILDCARD) if best == _WILDCARD else Choice(best, Why.USED)


def _weighted(token: bytes) -> tuple[bytes, float] | None:
    """An encoding and its weight, None for one whose weight is no number."""
    name, separator, parameters = token.partition(b";")
    key, equals, value = parameters.partition(b"=")
    if not (separator and equals and key.strip().lower() == b"q"):
        return name.strip(), 1.0
    try:
        return name.strip(), float(value)
    except ValueError:
        return None
