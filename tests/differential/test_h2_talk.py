"""The scripted client's HTTP/2: what is written and how it is shown."""

from __future__ import annotations

import hpack
import pytest

from tests.differential.h2_talk import encode, ended_streams, readable
from tests.support import h2_frames as frames


def test_frames_are_written_as_asked() -> None:
    sent = encode({"request": ["GET /a", "x: b: c"], "end": False}) + encode({"data": "hi", "end": True})
    fields = ((b":method", b"GET"), (b":path", b"/a"), (b":scheme", b"http"), (b":authority", b"a.test"), (b"x", b"b: c"))
    assert sent == frames.headers(1, frames.block(*fields), end_stream=False) + frames.data(1, b"hi")
    assert encode({"headers": [":x: y"], "stream": 3}) == frames.headers(3, frames.block((b":x", b"y")), end_stream=False)
    assert encode({"frame": [66, 1, "z"], "stream": 0}) == frames.frame(66, 1, 0, b"z")


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(AssertionError, match="unknown 'pong'"):
        encode({"pong": 1})


def test_what_came_is_told_stream_by_stream() -> None:
    head = hpack.Encoder().encode([(b":status", b"200"), (b"a", b"b")])
    received = (
        frames.frame(frames.SETTINGS)
        + frames.headers(3, head, end_stream=False)
        + frames.data(3, b"on", end_stream=False)
        + frames.reset(1, 7)
        + frames.data(3, b"e")
        + frames.goaway(3, 1)
        + frames.data(5, b"cut off")[:-1]
    )
    lines = [
        b"stream 0",
        b"goaway 1",
        b"stream 1",
        b"reset 7",
        b"stream 3",
        b"headers",
        b":status: 200",
        b"a: b",
        b"data: one",
        b"end",
    ]
    assert readable(received).split(b"\r\n") == lines
    assert ended_streams(received) == 2
