"""Request ids, and why a request is traced: one digit of the id says so, so that everybody behind decides alike.

Here: reading and writing that digit, pure.  Not here: making ids (http.request_id), deciding (routing.trace_sampling).
Envoy: envoy.request_id.uuid; the first digit of the third group is 4 in every random UUID.
"""

from __future__ import annotations

import re
from typing import Final

from dataplane.semantics.header_map import RequestHeaders

HEADER: Final = b"x-request-id"

NOT_TRACED: Final = b"4"
SAMPLED: Final = b"9"
FORCED_BY_SERVICE: Final = b"a"
FORCED_BY_CLIENT: Final = b"b"
_REASONS: Final = frozenset({SAMPLED, FORCED_BY_SERVICE, FORCED_BY_CLIENT})

_LENGTH: Final = 36
_AT: Final = 14
_NUMBER: Final = re.compile(rb"[0-9A-Fa-f]{8}")


def reason_of(request_id: bytes) -> bytes:
    """Why the request is traced; NOT_TRACED too for what is no UUID."""
    reason = request_id[_AT : _AT + 1] if len(request_id) == _LENGTH else NOT_TRACED
    return reason if reason in _REASONS else NOT_TRACED


def set_reason(headers: RequestHeaders, reason: bytes) -> None:
    """As Envoy, whatever is as long as a UUID is taken for one; anything else stays as it is."""
    request_id = headers.joined(HEADER) or b""
    if len(request_id) == _LENGTH and request_id[_AT : _AT + 1] != reason:
        headers.set(HEADER, request_id[:_AT] + reason + request_id[_AT + 1 :])


def number_of(request_id: bytes) -> int | None:
    """What everybody behind draws the same lot by; None where the id does not begin like a UUID."""
    found = _NUMBER.match(request_id)
    return None if found is None else int(found[0], 16)
