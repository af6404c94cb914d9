"""A format string's parts as one Python function that gives bytes.

Here: the source of that function.  Not here: syntax (observe.format), operators (observe.operators).
A log line is written for every request, so the format becomes a function as a dataclass's `__init__` does: bytes from end to end, the headers
of a side looked at once for all operators, the commonest facts without a call.  The default format: 3.3 to 1.5 µs (bench scenario h1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dataplane.observe import flags, timestamps
from dataplane.observe.operator_kinds import OfHeader, OfInfo, Operator, header_reader
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

Part = str | Operator
Render = Callable[["RequestHeaders | None", "ResponseHeaders | None", "HeaderMap | None", "StreamInfo"], bytes]

# Stand for heads that there are not: everything of them is missing.
_NONE_OF: Final = {"request": RequestHeaders(b"", b"", b"", b""), "response": ResponseHeaders(0), "trailers": HeaderMap()}

# A pseudo-header, or `host`, as an expression that is false where it is missing.
_PSEUDO: Final = {
    "request": {
        b":method": "request.method",
        b":path": "request.path",
        b":authority": "request.authority",
        b"host": "request.authority",
        b":scheme": "request.scheme",
        b":protocol": "request.protocol",
    },
    "response": {b":status": "response.status and b'%d' % response.status"},
    "trailers": {},
}

# What expressions of operators (OfInfo.expression) may use.
_NAMES: Final[dict[str, object]] = {
    "flags_text": flags.short_bytes,
    "iso_milliseconds": timestamps.iso_milliseconds_bytes,
    "numbers": tuple(b"%d" % number for number in range(1000)),
    "protocols": {name: name.encode() for name in ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")},
}


def text_function(parts: Sequence[Part], missing: bytes) -> Render:
    """Write the function that renders *parts*.  Nothing of the configuration gets into its source but through `repr`."""
    names: dict[str, object] = {**_NAMES, "missing": missing, "as_bytes": _as_bytes}
    names.update({f"no_{side}": head for side, head in _NONE_OF.items()})
    sides = {part.side for part in parts if isinstance(part, OfHeader) and part.length is None}
    lines = ["def render(request, response, trailers, info):"]
    for side in sorted(sides):
        lines.append(f"    if {side} is None: {side} = no_{side}")
        lines.append(f"    get_{side} = dict({side}.fields[::-1]).get")
    template, values = b"", []
    for number, part in enumerate(parts):
        if isinstance(part, str):
            template += part.encode("latin-1").replace(b"%", b"%%")
            continue
        template += b"%b"
        if isinstance(part, OfInfo) and part.expression:
            values.append(part.expression)
            continue
        if isinstance(part, OfHeader) and part.length is None:
            values.append(_header_expression(part))
            continue
        call = f"read_{number}(info)" if isinstance(part, OfInfo) else f"read_{number}(request, response, trailers, info)"
        names[f"read_{number}"] = header_reader(part) if isinstance(part, OfHeader) else part.read
        values.append(f"missing if (value := {call}) is None else as_bytes(value)")
    lines.append(f"    return {template!r} % ({''.join(f'{value}, ' for value in values)})")
    exec("\n".join(lines), names)
    render: Render = names.pop("render")  # type: ignore[assignment]  # made by the line above, and not to hold itself
    return render


def _header_expression(header: OfHeader) -> str:
    """One header or its alternative: of several of a name the first; an empty one is there, an empty pseudo-header is not."""
    main = _PSEUDO[header.side].get(header.main)
    if main is not None:
        otherwise = "missing" if header.alternative is None else f"({_header_expression(_alternative(header))})"
        return f"({main}) or {otherwise}"
    if header.alternative is None:
        return f"get_{header.side}({header.main!r}, missing)"
    return f"value if (value := get_{header.side}({header.main!r})) is not None else {_header_expression(_alternative(header))}"


def _alternative(header: OfHeader) -> OfHeader:
    assert header.alternative is not None
    return OfHeader(header.side, header.alternative, None, None)


def _as_bytes(value: str | int) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else b"%d" % value
