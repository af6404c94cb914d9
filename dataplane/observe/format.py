"""Substitution format strings: `%REQ(:METHOD)% %RESPONSE_CODE%` compiled to a row of functions.

Here: the syntax, JSON rendering.  Not here: what an operator means (observe.operators), how text is put together (observe.text_pieces),
files (extensions.access_loggers).  A constant piece is a *wire string*: one character per byte (latin-1).
Envoy: configuration/advanced/substitution_formatter; config.core.v3.SubstitutionFormatString.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe import operators
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.operator_kinds import OfAll, OfInfo, Operator, header_reader, wire
from dataplane.observe.text_pieces import Either, Header, Line, Piece, Read, RequestPseudo, Status, Told

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

    def __init__(self) -> None:
        self.slots: Final[dict[str, dict[bytes, int]]] = {"request": {}, "response": {}, "trailers": {}}

    def of(self, operator: Operator) -> Piece:
        if isinstance(operator, OfInfo):
            return Told(operator.read) if operator.piece is None else operator.piece()
        if isinstance(operator, OfAll):
            return Read(operator.read)
        if operator.length is not None:
            return Read(header_reader(operator))
        main = self._header(operator.side, operator.main)
        return main if operator.alternative is None else Either(main, self._header(operator.side, operator.alternative))

    def _header(self, side: str, name: bytes) -> Piece:
        if side == "request" and name in _PSEUDO:
            return RequestPseudo(name)
        if side == "response" and name == b":status":
            return Status()
        slots = self.slots[side]
        if name not in slots:
            slots[name] = sum(map(len, self.slots.values()))
        return Header(slots[name])


class TextFormat(Line):
    """A compiled format string; a missing value prints as `-`, as nothing with omit_empty_values.  Shared, immutable."""

    __slots__ = ("constant",)

    def __init__(self, text: str, at: FieldPath, *, omit_empty_values: bool = False) -> None:
        pieces = _Pieces()
        made: list[Piece] = []
        constants = [b""]
        for part in _parse(text, at):
            if isinstance(part, str):
                constants[-1] = part.encode("latin-1")
            else:
                made.append(pieces.of(part))
                constants.append(b"")
        slots = pieces.slots
        super().__init__(
            constants,
            made,
            b"" if omit_empty_values else b"-",
            request=slots["request"],
            response=slots["response"],
            trailers=slots["trailers"],
        )
        self.constant: bytes | None = None if made else constants[0]
        """The whole result where no operator takes part, else None."""


_Build = Callable[[FormatterContext], Json]


class JsonFormat:
    """A compiled JSON format: the shape of the configured Struct, with each string value a format string.

    A string that is one operator keeps the operator's type (numbers stay numbers, a missing value is null); any other string is text.
    Keys are sorted, as Envoy prints them.
    """

    __slots__ = ("_build",)

    def __init__(self, shape: Mapping[str, Json], at: FieldPath, *, omit_empty_values: bool = False) -> None:
        self._build = _compile_json(shape, at, omit_empty_values)

    def render(self, context: FormatterContext) -> bytes:
        """One line of JSON with its newline."""
        value = self._build(context)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"


def _compile_json(shape: Json, at: FieldPath, omit: bool) -> _Build:
    if isinstance(shape, str):
        return _compile_json_text(shape, at, omit)
    if isinstance(shape, Mapping):
        return _compile_json_object(shape, at, omit)
    if isinstance(shape, Sequence):
        return _compile_json_list(shape, at, omit)
    return lambda context: shape


def _compile_json_object(shape: Mapping[str, Json], at: FieldPath, omit: bool) -> _Build:
    fields = [(key, _compile_json(shape[key], at / key, omit)) for key in sorted(shape)]

    def build(context: FormatterContext) -> Json:
        built = {key: build_field(context) for key, build_field in fields}
        return {key: value for key, value in built.items() if not _is_empty(value)} if omit else built

    return build


def _compile_json_list(shape: Sequence[Json], at: FieldPath, omit: bool) -> _Build:
    items = [_compile_json(item, at / index, omit) for index, item in enumerate(shape)]

    def build(context: FormatterContext) -> Json:
        built = [build_item(context) for build_item in items]
        return [value for value in built if not _is_empty(value)] if omit else built

    return build


def _is_empty(value: Json) -> bool:
    """What omit_empty_values leaves out: missing values and objects without fields; empty lists and texts stay."""
    return value is None or value == {}


def _compile_json_text(text: str, at: FieldPath, omit: bool) -> _Build:
    parts = _parse(text, at)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return _single(parts[0])
    render = TextFormat(text, at, omit_empty_values=omit).render
    return lambda context: render(context).decode("utf-8", "replace")


def _single(operator: Operator) -> _Build:
    if isinstance(operator, OfInfo):
        whole, fact = operator.whole, operator.read
        if whole is not None:
            return lambda context: cast("Json", whole(context.info))
        return lambda context: _unwire(fact(context.info))
    read = operator.read if isinstance(operator, OfAll) else header_reader(operator)
    return lambda context: _unwire(read(context))


def _unwire(value: Json) -> Json:
    """A wire string back to text: its bytes are UTF-8 unless a peer sent something else."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1").decode("utf-8", "replace")
    return value
