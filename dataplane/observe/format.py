"""Substitution format strings: `%REQ(:METHOD)% %RESPONSE_CODE%` compiled to a row of functions.

Here: the syntax, text and JSON rendering.  Not here: what an operator means (observe.operators), files (extensions.access_loggers).
Rendered text is a *wire string*: one character per byte (latin-1), so that header bytes pass through unharmed.
Envoy: configuration/advanced/substitution_formatter; config.core.v3.SubstitutionFormatString.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe import operators
from dataplane.observe.operator_kinds import OfAll, OfHeader, OfInfo, Operator, header_index, header_reader, wire

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

DEFAULT_HTTP_FORMAT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)

# %NAME%, %NAME(argument)%, %NAME(argument):length%
_COMMAND: Final = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::(\d+))?%", re.DOTALL)

_WORTH_AN_INDEX: Final = 3  # headers of one side in one format; below, a scan each is cheaper

_Part = str | Operator


def _parse(text: str, at: FieldPath) -> list[_Part]:
    """Split *text* into constant pieces (wire strings) and operators."""
    parts: list[_Part] = []
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


class TextFormat:
    """A compiled format string.  Shared, immutable.

    A log line is a tenth of a small request's cost, so the format becomes one Python function, as a dataclass's `__init__` does: all headers
    of a side through one index, the commonest facts without a call (the default format: 6 to 4 µs, bench scenario h1).
    """

    __slots__ = ("constant", "render")

    def __init__(self, text: str, at: FieldPath, *, omit_empty_values: bool = False) -> None:
        parts = _parse(text, at)
        self.render: Final = _text_function(parts, "" if omit_empty_values else "-")
        """The text as a wire string; a missing value prints as `-` (as nothing with omit_empty_values)."""
        self.constant: bytes | None = None
        """The whole result as bytes where no operator takes part, else None."""
        if all(isinstance(part, str) for part in parts):
            self.constant = "".join(part for part in parts if isinstance(part, str)).encode("latin-1")

    def render_bytes(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> bytes:
        return self.constant or self.render(request, response, trailers, info).encode("latin-1")


_Render = Callable[["RequestHeaders | None", "ResponseHeaders | None", "HeaderMap | None", "StreamInfo"], str]


def _text_function(parts: Sequence[_Part], missing: str) -> _Render:
    """Write the function that renders *parts*.  Nothing of the configuration gets into its source but through `repr`."""
    names: dict[str, object] = {"missing": missing, "header_index": header_index}
    headers = [part for part in parts if isinstance(part, OfHeader)]
    indexed = sorted({part.side for part in headers if sum(1 for each in headers if each.side == part.side) >= _WORTH_AN_INDEX})
    template = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts)
    values: list[str] = []
    for number, part in enumerate(parts):
        if isinstance(part, str):
            continue
        if isinstance(part, OfHeader) and part.side in indexed:
            values.append(_header_expression(part))
            continue
        if isinstance(part, OfInfo) and part.expression:
            values.append(part.expression)
            continue
        call = f"read_{number}(info)" if isinstance(part, OfInfo) else f"read_{number}(request, response, trailers, info)"
        names[f"read_{number}"] = header_reader(part) if isinstance(part, OfHeader) else part.read
        values.append(f"missing if (value := {call}) is None else value")
    lines = ["def render(request, response, trailers, info):"]
    lines += [f"    {side} = header_index({side!r}, {side}).get" for side in indexed]
    lines.append(f"    return {template!r} % ({''.join(f'{value}, ' for value in values)})")
    exec("\n".join(lines), names)
    render: _Render = names["render"]  # type: ignore[assignment]  # made by the line above
    return render


def _header_expression(header: OfHeader) -> str:
    found = f"{header.side}({header.main!r})"
    if header.alternative is not None:
        found = f"{header.side}({header.main!r}, {header.side}({header.alternative!r}))"
    cut = "" if header.length is None else f"[:{header.length}]"
    return f"missing if (value := {found}) is None else value{cut}.decode('latin-1')"


_Build = Callable[["RequestHeaders | None", "ResponseHeaders | None", "HeaderMap | None", "StreamInfo"], Json]


class JsonFormat:
    """A compiled JSON format: the shape of the configured Struct, with each string value a format string.

    A string that is one operator keeps the operator's type (numbers stay numbers, a missing value is null); any other string is text.
    Keys are sorted, as Envoy prints them.
    """

    __slots__ = ("_build",)

    def __init__(self, shape: Mapping[str, Json], at: FieldPath, *, omit_empty_values: bool = False) -> None:
        self._build = _compile_json(shape, at, omit_empty_values)

    def render_bytes(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> bytes:
        """One line of JSON with its newline."""
        value = self._build(request, response, trailers, info)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


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
    return lambda request, response, trailers, info: _unwire(compiled.render(request, response, trailers, info))


def _single(operator: Operator) -> _Build:
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
