"""Field lines of HTTP/1: from bytes to lower-case names and trimmed values, with Envoy's verdict on odd ones.

Here: one block of lines, of a head or of trailers.  Not here: start lines and what the fields say (h1_head), chunked bodies (framing).
A well-formed line costs one `partition` and one look-up of its name; whatever is not plain is first brought into that form, or refused.
Spec: RFC 9112 section 5.  Tried against Envoy: a folded line is joined as it stands, a bare line feed ends a line, a bare carriage return
vanishes from a value and is refused in a name.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Final

from dataplane.base.errors import ProtocolError
from dataplane.semantics.header_map import Field

# Everything a line may hold besides CR and LF: no control character but the tab.
PLAIN: Final = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))

_NAME: Final = itemgetter(0)
TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_LINE_END: Final = re.compile(rb"\r?\n")

# Fields that say the same again and again, and nothing secret: their whole lines are remembered.
_REPEATING: Final = frozenset(
    b"accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-origin age allow "
    b"cache-control content-encoding content-language content-type date dnt expires pragma priority sec-ch-ua "
    b"sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user server "
    b"strict-transport-security te upgrade-insecure-requests user-agent vary via x-content-type-options "
    b"x-envoy-decorator-operation x-envoy-upstream-service-time x-forwarded-proto x-frame-options x-powered-by "
    b"x-xss-protection".split()
)
# What says where a message ends must not be read in two ways.
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})

_MAX_KNOWN_LINES: Final = 1024
_MAX_LINE_LENGTH: Final = 160

# A connection to everybody teaches at most this many names; later ones are checked each time.
_MAX_KNOWN_NAMES: Final = 4096
_MAX_KNOWN_LENGTH: Final = 64


class FieldParser:
    """Reads field lines.  One serves any number of messages; it remembers names, and lines that come again (measured: a third off)."""

    __slots__ = ("_known", "_lines", "max_count")

    def __init__(self, max_count: int = 100) -> None:
        """max_count: how many fields a head (or the trailers) may have.  Envoy: HttpProtocolOptions.max_headers_count."""
        self.max_count = max_count
        self._known: dict[bytes, bytes] = {}
        self._lines: dict[bytes, Field] = {}

    def parse_lines(self, block: bytes) -> list[Field]:
        """The fields of *block*, which is all lines up to and including the empty one."""
        return self.parse(plain_lines(block), frozenset(), [])

    def parse(self, lines: list[bytes], wanted: frozenset[bytes], found: list[Field]) -> list[Field]:
        """The fields of *lines*, which hold neither line ends nor control characters.  Those named in *wanted* are also added to *found*.

        wanted: names that are not among the repeating ones.
        """
        if len(lines) > self.max_count:
            raise ProtocolError(431, "http1.too_many_headers")
        remembered, known = self._lines, self._known
        fields: list[Field] = []
        for line in lines:
            field = remembered.get(line)
            if field is None:
                name, colon, value = line.partition(b":")
                key = known.get(name)
                if key is None or not colon:
                    key = self._learn(name, colon)
                field = (key, value.strip())  # only blanks and tabs are left to strip
                if key in wanted:
                    found.append(field)
                elif key in _REPEATING:
                    self._remember(line, field)
            fields.append(field)
        return fields

    def take(self, raw_fields: tuple[Field, ...], wanted: frozenset[bytes], found: list[Field]) -> list[Field]:
        """As `parse`, of fields that were taken apart and found valid already: their names in lower case."""
        if len(raw_fields) > self.max_count:
            raise ProtocolError(431, "http1.too_many_headers")
        known = self._known
        try:
            fields = [(known[name], value) for name, value in raw_fields]
        except KeyError:
            fields = [(known.get(name) or self._learn(name, b":"), value) for name, value in raw_fields]
        if not wanted.isdisjoint(map(_NAME, fields)):
            found += [field for field in fields if field[0] in wanted]
        return fields

    def _remember(self, line: bytes, field: Field) -> None:
        if len(line) <= _MAX_LINE_LENGTH:
            if len(self._lines) >= _MAX_KNOWN_LINES:
                self._lines.clear()
            self._lines[line] = field

    def _learn(self, name: bytes, colon: bytes) -> bytes:
        if not colon or not TOKEN.fullmatch(name):
            raise ProtocolError(400, "http1.codec_error")
        key = name.lower()
        if len(name) <= _MAX_KNOWN_LENGTH and len(self._known) < _MAX_KNOWN_NAMES:
            self._known[name] = self._known.setdefault(key, key)
        return key


def plain_lines(block: bytes) -> list[bytes]:
    """The lines of *block* without line ends, unfolded; the empty line that ends it is left out."""
    if block.translate(None, PLAIN).strip(b"\r\n"):
        raise ProtocolError(400, "http1.invalid_characters")
    if block.startswith((b" ", b"\t")):
        raise ProtocolError(400, "http1.codec_error")
    lines = _LINE_END.split(_FOLD.sub(b"", block))
    while lines and not lines[-1]:
        lines.pop()
    return [_without_bare_cr(line) if b"\r" in line else line for line in lines]


def _without_bare_cr(line: bytes) -> bytes:
    """As Envoy, but for a coding with one inside: that is read as no coding there and as one elsewhere."""
    name, colon, value = line.partition(b":")
    if b"\r" in name or (name.lower() in _LENGTHS and b"\r" in value.strip()):
        raise ProtocolError(400, "http1.codec_error")
    return name + colon + value.replace(b"\r", b"")
