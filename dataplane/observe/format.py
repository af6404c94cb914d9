"""Substitution format strings: `%REQ(:METHOD)% %RESPONSE_CODE%` compiled to a row of functions.

Here: the syntax, JSON rendering.  Not here: what an operator means (observe.operators), how text is put together (observe.text_pieces),
files (extensions.access_loggers).  A constant piece is a *wire string*: one character per byte (latin-1).
Envoy: configuration/advanced/substitution_formatter; config.core.v3.SubstitutionFormatString.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe import operators
from dataplane.observe.operator_kinds import OfAll, OfInfo, Operator, header_reader, wire
from dataplane.observe.text_pieces import Constant, Header, Line, Piece, Read, RequestPseudo, Status, Told

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

Part = str | Operator
Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

DEFAULT_HTTP_FORMAT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)

# What a request's head keeps outside of its fields.
_PSEUDO: Final = frozenset({b":method", b":path", b":authority", b"host", b":scheme", b":protocol"})

# %NAME%, %NAME(argument)%, %NAME(argument):length%
_COMMAND: Final = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::(\d+))?%", re.DOTALL)


def _parse(text: str, at: FieldPath) -> list[Part]:
    """Split *text* into constant pieces (wire strings) and operators."""
    parts: list[Part] = []
    constant = ""
    position = 0
    while (percent := text.find("%", position)) >= 0:
        constant += text[position:percent]
        if text.startswith("%%", percent):
            constant += "%"
            position = percent + 2
            continue
        command = _COMMAND.match(text, percent)
        if command is None:
            raise ConfigError(at, f"Incorrect configuration: {text}. Couldn't find valid command at position {percent}")
        if constant:
            parts.append(wire(constant))
            constant = ""
        name, argument, length = command.groups()
        parts.append(operators.compile_operator(name, argument, int(length) if length else None, at))
        position = command.end()
    constant += text[position:]
    if constant:
        parts.append(wire(constant))
    return parts


class _Pieces:
    """Makes the pieces of one line, and remembers which headers they ask for."""

    def __init__(self, missing: bytes) -> None:
        self._missing = missing
        self.slots: Final[dict[str, dict[bytes, int]]] = {"request": {}, "response": {}, "trailers": {}}

    def of(self, part: Part) -> Piece:
        if isinstance(part, str):
            return Constant(part.encode("latin-1"))
        if isinstance(part, OfInfo):
            return Told(part.read, self._missing) if part.piece is None else part.piece(self._missing)
        if isinstance(part, OfAll):
            return Read(part.read, self._missing)
        if part.length is not None:
            return Read(header_reader(part), self._missing)
        otherwise: Piece = Constant(self._missing)
        if part.alternative is not None:
            otherwise = self._header(part.side, part.alternative, otherwise)
        return self._header(part.side, part.main, otherwise)

    def _header(self, side: str, name: bytes, otherwise: Piece) -> Piece:
        if side == "request" and name in _PSEUDO:
            return RequestPseudo(name, otherwise)
        if side == "response" and name == b":status":
            return Status(otherwise)
        slots = self.slots[side]
        if name not in slots:
            slots[name] = sum(map(len, self.slots.values()))
        return Header(slots[name], otherwise)


class TextFormat:
    """A compiled format string.  Shared, immutable."""

    __slots__ = ("_line", "constant")

    def __init__(self, text: str, at: FieldPath, *, omit_empty_values: bool = False) -> None:
        parts = _parse(text, at)
        pieces = _Pieces(b"" if omit_empty_values else b"-")
        self._line: Final = Line([pieces.of(part) for part in parts], **pieces.slots)
        self.constant: bytes | None = None
        """The whole result where no operator takes part, else None."""
        if all(isinstance(part, str) for part in parts):
            self.constant = "".join(part for part in parts if isinstance(part, str)).encode("latin-1")

    def render(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> bytes:
        """The text; a missing value prints as `-` (as nothing with omit_empty_values)."""
        return self._line.render(request, response, trailers, info)


_Build = Callable[["RequestHeaders | None", "ResponseHeaders | None", "HeaderMap | None", "StreamInfo"], Json]


class JsonFormat:
    """A compiled JSON format: the shape of the configured Struct, with each string value a format string.

    A string that is one operator keeps the operator's type (numbers stay numbers, a missing value is null); any other string is text.
    Keys are sorted, as Envoy prints them.
    """

    __slots__ = ("_build",)

    def __init__(self, shape: Mapping[str, Json], at: FieldPath, *, omit_empty_values: bool = False) -> None:
        self._build = _compile_json(shape, at, omit_empty_values)

    def render(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> bytes:
        """One line of JSON with its newline."""
        value = self._build(request, response, trailers, info)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"


def _compile_json(shape: Json, at: FieldPath, omit: bool) -> _Build:
    if isinstance(shape, str):
        return _compile_json_text(shape, at, omit)
    if isinstance(shape, Mapping):
        fields = [(key, _compile_json(shape[key], at / key, omit)) for key in sorted(shape)]

        def build_object(request, response, trailers, info):  # type: ignore[no-untyped-def]  # the signature is _Build
            built = ((key, build(request, response, trailers, info)) for key, build in fields)
            return {key: value for key, value in built if not (omit and _is_empty(value))}

        return build_object
    if isinstance(shape, Sequence):
        items = [_compile_json(item, at / index, omit) for index, item in enumerate(shape)]

        def build_list(request, response, trailers, info):  # type: ignore[no-untyped-def]  # the signature is _Build
            built = (build(request, response, trailers, info) for build in items)
            return [value for value in built if not (omit and _is_empty(value))]

        return build_list
    return lambda request, response, trailers, info: shape


def _is_empty(value: Json) -> bool:
    """What omit_empty_values leaves out: missing values and objects without fields; empty lists and texts stay."""
    return value is None or value == {}


def _compile_json_text(text: str, at: FieldPath, omit: bool) -> _Build:
    parts = _parse(text, at)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return _single(parts[0])
    compiled = TextFormat(text, at, omit_empty_values=omit)
    return lambda request, response, trailers, info: compiled.render(request, response, trailers, info).decode("utf-8", "replace")


def _single(operator: Operator) -> _Build:
    if isinstance(operator, OfInfo) and operator.whole is not None:
        whole = operator.whole
        return lambda request, response, trailers, info: cast("Json", whole(info))
    if isinstance(operator, OfInfo):
        fact = operator.read
        return lambda request, response, trailers, info: _unwire(fact(info))
    if isinstance(operator, OfAll):
        read = operator.read
        return lambda request, response, trailers, info: _unwire(read(request, response, trailers, info))
    header = header_reader(operator)
    return lambda request, response, trailers, info: _unwire(header(request, response, trailers, info))


def _unwire(value: Json) -> Json:
    """A wire string back to text: its bytes are UTF-8 unless a peer sent something else."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1").decode("utf-8", "replace")
    return value
