"""Which version of HTTP a connection begins with, told from its first bytes.

Here: a pure function of these bytes; the more there are, the more it can say.  Not here: who reads them
(extensions.filters.listener.http_inspector), the full reading of a request line with its much stricter verdict (h1_head).
What Envoy's inspector takes for HTTP/1 was tried with Envoy 1.40: any method, a target of the right form, a version of two digits or none.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST: Final = 65536
"""Bytes in which the first line must end."""

_METHOD_STARTS: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_BLANKS: Final = bytes(range(33))
_WORDS: Final = re.compile(rb"([^\x00-\x20]+)[\x00-\x20]+([^\x00-\x20]+)(?:[\x00-\x20]+(.+))?", re.DOTALL)
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_PATH: Final = re.compile(rb"[/*][\t\f!-~]*")
_AUTHORITY: Final = rb"[-A-Za-z0-9._~%:\[\]@!$&'()*+,;=]*(?:[/?][\t\f!-~]*)?"
_AUTHORITY_ONLY: Final = re.compile(_AUTHORITY)
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][-+.A-Za-z0-9]*://" + _AUTHORITY)


class Preface(Enum):
    """What the bytes so far say.  The values of the first three are the protocols' names in ALPN."""

    HTTP_10 = "http/1.0"
    HTTP_11 = "http/1.1"
    HTTP_2 = "h2c"
    NOT_HTTP = "not HTTP"
    INCOMPLETE = "incomplete"
    TOO_LONG = "too long"


def look_at_preface(data: bytes) -> Preface:
    """Read *data*, which may go on.  Any version 1.x but 1.1, older ones, and a line without a version count as 1.0."""
    if data.startswith(H2_PREFACE):
        return Preface.HTTP_2
    if H2_PREFACE.startswith(data):
        return Preface.INCOMPLETE
    if data[0] not in _METHOD_STARTS:
        return Preface.NOT_HTTP
    end = data.find(b"\n", 0, MOST)
    if end < 0:
        return Preface.TOO_LONG if len(data) >= MOST else Preface.INCOMPLETE
    return _of_request_line(data[:end])


def _of_request_line(line: bytes) -> Preface:
    words = _WORDS.fullmatch(line.rstrip(_BLANKS))
    if words is None:
        return Preface.NOT_HTTP
    method, target, version = words.groups()
    if not _is_target(method, target) or (version is not None and _VERSION.fullmatch(version) is None):
        return Preface.NOT_HTTP
    return Preface.HTTP_11 if version == b"HTTP/1.1" else Preface.HTTP_10


def _is_target(method: bytes, target: bytes) -> bool:
    if target[0] in b"/*":
        return _PATH.fullmatch(target) is not None
    form = _AUTHORITY_ONLY if method == b"CONNECT" else _ABSOLUTE
    return form.fullmatch(target) is not None and b"@@" not in target
