r"""HTTP/2 for scripted clients: frames as case files write them, and what came back as text.

The steps of a client that speaks it are lists below `h2`, of these (stream: 1 unless it says otherwise; end: END_STREAM):

    preface                                   the connection preface and an empty SETTINGS
    request: ["GET /path", "name: value", …]  HEADERS with the four pseudo-headers; ends the stream unless `end: false`
    headers: [":method: GET", …]              HEADERS as written, also trailers; `end: true`
    data: text                                DATA; `end: true`
    reset: code, window: increment            RST_STREAM, WINDOW_UPDATE
    frame: [kind, flags, payload]             any other, by number

Blocks of fields are sent without compression, so that they may hold what no library would send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import hpack

from tests.support import h2_frames as frames

_HEADER: Final = 9
_PADDED: Final = 8
_QUIET: Final = (frames.SETTINGS, frames.WINDOW_UPDATE, frames.PING, frames.PRIORITY)  # each proxy has its own pace with these


def _field(line: str) -> frames.Field:
    name, _, value = line[1:].partition(": ")
    return (line[:1] + name).encode("latin-1"), value.encode("latin-1")


def encode(step: Mapping[str, Any] | str) -> bytes:
    """One frame of a step."""
    if step == "preface":
        return frames.PREFACE + frames.frame(frames.SETTINGS)
    assert isinstance(step, Mapping), f"h2: {step!r}"
    given = dict(step)
    stream, end = given.pop("stream", 1), given.pop("end", None)
    [(kind, what)] = given.items()
    if kind == "request":
        method, _, path = what[0].partition(" ")
        fields = [_field(line) for line in what[1:]]
        block = frames.request_block(*fields, method=method.encode(), path=path.encode("latin-1"), host=b"a.test")
        return frames.headers(stream, block, end is not False)
    if kind == "headers":
        return frames.headers(stream, frames.block(*map(_field, what)), bool(end))
    if kind == "data":
        return frames.data(stream, what.encode("latin-1"), bool(end))
    if kind == "reset":
        return frames.reset(stream, what)
    if kind == "window":
        return frames.frame(frames.WINDOW_UPDATE, 0, stream, what.to_bytes(4, "big"))
    assert kind == "frame", f"h2: unknown {kind!r}"
    number, flags, payload = what
    return frames.frame(number, flags, stream, payload.encode("latin-1"))


def _split(received: bytes) -> Iterator[frames.Frame]:
    """The frames that are whole."""
    at = 0
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


def readable(received: bytes) -> bytes:
    """What each stream got, stream by stream: where frames of bodies end, and whose come first, is chance."""
    decoder, streams = hpack.Decoder(), dict[int, list[bytes]]()
    for each in _split(received):
        lines = streams.setdefault(each.stream_id, [])
        if each.kind == frames.HEADERS:
            assert not each.flags & _PADDED, "nobody is expected to pad"
            assert each.flags & frames.END_HEADERS, "no head is expected to be that long"
            fields = decoder.decode(each.payload, raw=True)
            lines += [b"headers", *[b"%b: %b" % (bytes(name), bytes(value)) for name, value in fields]]
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
    told = [(b"stream %d" % number, *lines) for number, lines in sorted(streams.items()) if lines]
    return b"\r\n".join([line for lines in told for line in lines])
