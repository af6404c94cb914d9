"""Responses of an HTTP/1 host read the same however their bytes are split, and no bytes of a host break us."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
from tests.support.fuzzing import fuzzed
from tests.support.upstream_wire import Recorder, Wire

FIELDS = st.sampled_from(
    [b"x-a: 1", b"X-B:  two ", b'etag: "x"', b"set-cookie: a=b", b"x-empty:", b"x: a\r\n folded", b"date: now"]
)
STATUS = st.sampled_from([b"200 OK", b"204 No Content", b"304 Not Modified", b"404 Not Found", b"599", b"200"])
WIRE = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b":", b"0", b"3", b"abc", b"x: y", b"\x00", b"\xff", b"HTTP/1.1 200 OK\r\n"])
    | st.sampled_from([b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n", b"\r\n\r\n"])
    | st.binary(max_size=3),
    max_size=14,
).map(b"".join)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    interim = b"".join(
        draw(st.lists(st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n"]), max_size=2))
    )
    fields = draw(st.lists(FIELDS, max_size=4))
    body = draw(st.binary(max_size=40))
    kind = draw(st.sampled_from(["length", "chunked", "until close"]))
    if kind == "length":
        fields.append(b"content-length: %d" % len(body))
    elif kind == "chunked":
        fields.append(b"transfer-encoding: chunked")
        body = (
            b"".join(b"%x;e\r\n%b\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]) if piece) + b"0\r\nx-t: 1\r\n\r\n"
        )
    return interim + b"\r\n".join([b"HTTP/1.1 " + draw(STATUS), *fields, b"", b""]) + body


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts} - {0, len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


class Reader(Recorder):
    """What of a response does not depend on how its bytes fell."""

    def __init__(self) -> None:
        super().__init__()
        self.interim: list[int] = []
        self.end = ""
        self.trailers: list[tuple[bytes, bytes]] = []

    def on_informational(self, headers: ResponseHeaders) -> None:
        self.interim.append(headers.status)

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.headers = headers
        self._take(b"", end_stream)

    def on_data(self, data: bytes, end_stream: bool) -> None:
        self._take(data, end_stream)

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.headers = headers
        self._take(body, True)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.trailers = list(trailers.fields)
        self.end = "end"

    def on_reset(self, reason: object, details: str) -> None:
        assert not self.end, "a response ends once"
        self.end = f"{reason} {details}"

    def _take(self, data: bytes, end_stream: bool) -> None:
        assert not self.end, "nothing comes behind the end"
        self.body += data
        if end_stream:
            self.end = "end"


def reading(pieces: list[bytes]) -> tuple[object, ...]:
    wire, reader = Wire(), Reader()
    wire.ask(reader)
    peer = wire.peers[-1].accept()
    peer.send(*pieces)
    if not peer.closed:
        peer.finish()
    head = None if reader.headers is None else (reader.headers.status, tuple(reader.headers.fields))
    assert reader.end, "somebody waits for ever"
    assert wire.counted().get("upstream_rq_active", 0) == 0
    return tuple(reader.interim), head, reader.body, tuple(reader.trailers), reader.end


@given(responses(), st.lists(st.integers(0, 300), max_size=12))
@fuzzed(200)
def test_any_split_of_a_good_response_reads_the_same(data: bytes, cuts: list[int]) -> None:
    assert reading(split(data, cuts)) == reading([data])


@given(responses(), st.integers(0, 300), st.integers(0, 255), st.lists(st.integers(0, 300), max_size=12))
@fuzzed(200)
def test_any_split_of_a_damaged_response_ends_the_same(data: bytes, at: int, byte: int, cuts: list[int]) -> None:
    damaged = bytearray(data)
    damaged[at % len(data)] = byte
    interim, head, body, trailers, end = reading([bytes(damaged)])
    other = reading(split(bytes(damaged), cuts))
    assert (other[0], other[1], other[4]) == (interim, head, end)
    if end == "end":  # what breaks off may have been passed on in pieces before
        assert (other[2], other[3]) == (body, trailers)


@given(WIRE, st.lists(st.integers(0, 100), max_size=6))
@fuzzed(300)
def test_no_bytes_of_a_host_break_it(data: bytes, cuts: list[int]) -> None:
    reading(split(data, cuts))


@given(WIRE, st.lists(st.integers(0, 100), max_size=6))
@fuzzed(300)
def test_anything_behind_a_head_ends_the_same(data: bytes, cuts: list[int]) -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + data
    assert reading(split(answer, cuts))[4] == reading([answer])[4]
