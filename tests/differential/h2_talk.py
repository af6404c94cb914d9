r"""HTTP/2 for scripted peers: frames as case files write them, and what came back as text.

The steps of a peer that speaks it are lists below `h2`, of these (stream: 1 unless it says otherwise; end: END_STREAM):

    preface                                   of a client: the connection preface and an empty SETTINGS
    opening                                   of a client: the preface alone
    settings, settings: {window: 1, …}        SETTINGS; names: table, push, streams, window
    ack                                       acknowledges the proxy's SETTINGS: only then its windows are what they say
    request: ["GET /path", "name: value", …]  HEADERS with the four pseudo-headers; ends the stream unless `end: false`
    headers: [":method: GET", …]              HEADERS as written, also responses and trailers; `end: true`
    data: text, or how many bytes of "x"      DATA; `end: true`
    reset: code, window: increment            RST_STREAM, WINDOW_UPDATE
    goaway: [last stream, code]               GOAWAY
    frame: [kind, flags, payload]             any other, by number

Blocks of fields are sent without compression, so that they may hold what no library would send.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import hpack

from tests.support import h2_frames as frames

_HEADER: Final = 9
_PADDED: Final = 8
_LONG: Final = 400  # bodies above are told by their length and sum
_QUIET: Final = (frames.SETTINGS, frames.WINDOW_UPDATE, frames.PING, frames.PRIORITY)  # each proxy has its own pace with these


def _field(line: str) -> frames.Field:
    name, _, value = line[1:].partition(": ")
    return (line[:1] + name).encode("latin-1"), value.encode("latin-1")


def encode(step: Mapping[str, Any] | str) -> bytes:
    """The bytes of one step."""
    if isinstance(step, str):
        assert step in _WORDS, f"h2: {step!r}"
        return _WORDS[step]
    given = dict(step)
    stream, end = given.pop("stream", 1), given.pop("end", None)
    [(kind, what)] = given.items()
    assert kind in _STEPS, f"h2: unknown {kind!r}"
    return _STEPS[kind](stream, what, end)


def _request(stream: int, what: list[str], end: bool | None) -> bytes:
    method, _, path = what[0].partition(" ")
    fields = [_field(line) for line in what[1:]]
    block = frames.request_block(*fields, method=method.encode(), path=path.encode("latin-1"), host=b"a.test")
    return frames.headers(stream, block, end is not False)


def _headers(stream: int, what: list[str], end: bool | None) -> bytes:
    return frames.headers(stream, frames.block(*map(_field, what)), bool(end))


def _data(stream: int, what: str | int, end: bool | None) -> bytes:
    body = b"x" * what if isinstance(what, int) else what.encode("latin-1")
    pieces = [body[at : at + _FRAME] for at in range(0, len(body), _FRAME)] or [b""]
    *first, last = pieces
    return b"".join(frames.data(stream, piece, False) for piece in first) + frames.data(stream, last, bool(end))


def _frame(stream: int, what: tuple[int, int, str], end: bool | None) -> bytes:
    kind, flags, payload = what
    return frames.frame(kind, flags, stream, payload.encode("latin-1"))


_FRAME: Final = 16384

_WORDS: Final = {
    "preface": frames.PREFACE + frames.settings(),
    "opening": frames.PREFACE,
    "settings": frames.settings(),
    "ack": frames.frame(frames.SETTINGS, frames.ACK),
}

_STEPS: Final[dict[str, Callable[[int, Any, bool | None], bytes]]] = {
    "settings": lambda stream, what, end: frames.settings(**what),
    "request": _request,
    "headers": _headers,
    "data": _data,
    "reset": lambda stream, what, end: frames.reset(stream, what),
    "window": lambda stream, what, end: frames.window_update(stream, what),
    "goaway": lambda stream, what, end: frames.goaway(*what),
    "frame": _frame,
}


def _split(received: bytes) -> Iterator[frames.Frame]:
    """The frames that are whole, those behind a client's preface."""
    at = len(frames.PREFACE) if received.startswith(frames.PREFACE) else 0
    while at + _HEADER <= len(received):
        end = at + _HEADER + int.from_bytes(received[at : at + 3], "big")
        if end > len(received):
            return
        stream = int.from_bytes(received[at + 5 : at + _HEADER], "big") & 0x7FFFFFFF
        yield frames.Frame(received[at + 3], received[at + 4], stream, received[at + _HEADER : end])
        at = end


def ended_streams(received: bytes) -> int:
    """How many streams the proxy has ended, by whatever frame."""
    ends = (frames.HEADERS, frames.DATA)
    return len(
        {
            each.stream_id
            for each in _split(received)
            if each.kind == frames.RST_STREAM or (each.kind in ends and each.flags & frames.END_STREAM)
        }
    )


def _rank(field: bytes) -> bytes:
    """Pseudo-headers come in an order that means nothing; Envoy's depends on the protocol of its client."""
    return field if field.startswith(b":") else b"~"


def begun_streams(received: bytes) -> int:
    """How many streams the proxy has begun."""
    return len({each.stream_id for each in _split(received) if each.kind == frames.HEADERS})


def _shortened(line: bytes) -> bytes:
    if len(line) <= _LONG or not line.startswith(b"data: "):
        return line
    body = line.removeprefix(b"data: ")
    return b"data: %d bytes, %08x" % (len(body), zlib.crc32(body))


def readable(received: bytes) -> bytes:
    """What each stream got, stream by stream: where frames of bodies end, and whose come first, is chance."""
    decoder, streams = hpack.Decoder(), dict[int, list[bytes]]()
    for each in _split(received):
        lines = streams.setdefault(each.stream_id, [])
        if each.kind == frames.HEADERS:
            assert not each.flags & _PADDED, "nobody is expected to pad"
            assert each.flags & frames.END_HEADERS, "no head is expected to be that long"
            fields = decoder.decode(each.payload, raw=True)
            told = [b"%b: %b" % (bytes(name), bytes(value)) for name, value in fields]
            lines += [b"headers", *sorted(told, key=_rank)]
        elif each.kind == frames.DATA and lines and lines[-1].startswith(b"data: "):
            lines[-1] += each.payload
        elif each.kind == frames.DATA:
            lines += [b"data: " + each.payload]
        elif each.kind in (frames.RST_STREAM, frames.GOAWAY):
            lines += [b"%b %d" % (b"reset" if each.kind == frames.RST_STREAM else b"goaway", each.number)]
        elif each.kind not in _QUIET:
            lines += [b"frame of kind %d" % each.kind]
        if each.kind in (frames.HEADERS, frames.DATA) and each.flags & frames.END_STREAM:
            lines += [b"end"]
    for lines in streams.values():
        lines[:] = map(_shortened, lines)
    told = [(b"stream %d" % number, *lines) for number, lines in sorted(streams.items()) if lines]
    return b"\r\n".join([line for lines in told for line in lines])
