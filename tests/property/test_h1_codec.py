"""The HTTP/1 codec reads the same from the same bytes, however they were split; and survives any bytes at all."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dataplane.semantics.h1_options import Http1Options
from tests.support.engine import Client, Engine, get
from tests.support.fuzzing import fuzzed

FIELDS = st.sampled_from([b"x-a: 1", b"X-B:  two ", b"accept: */*", b"cookie: a=b", b"x-empty:", b"x: a\r\n folded"])
BODIES = st.binary(max_size=40)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(FIELDS, max_size=4))
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b"" if kind == "none" else draw(BODIES)
    if kind == "length":
        return get(b"/l", *fields, b"content-length: %d" % len(body), method=b"POST") + body
    if kind == "chunked":
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
        edges = [0, *cuts, len(body)]
        chunks = b"".join(
            b"%x;e\r\n%b\r\n" % (end - start, body[start:end]) for start, end in itertools.pairwise(edges) if end > start
        )
        return get(b"/c", *fields, b"transfer-encoding: chunked", method=b"POST") + chunks + b"0\r\nx-t: 1\r\n\r\n"
    return get(b"/n", *fields)


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


def reading(pieces: list[bytes]) -> tuple[list[tuple[object, ...]], bytes, bool]:
    """Everything observable: what the upstream got, what the client got but for dates and ids, whether it ends."""
    engine = Engine(settings={"generate_request_id": False, "http1": Http1Options(enable_trailers=True)})
    client = engine.connect()
    answered = 0
    for piece in pieces:
        client.send(piece)
        answered = _answer(engine, answered)
    seen = [
        (exchange.headers and exchange.headers.path, tuple(exchange.fields), exchange.body, exchange.ended, exchange.was_reset)
        for exchange in engine.up.exchanges
    ]
    return seen, _without_dates(client), engine.log.entries != [] and client.connection.drain is None


def _answer(engine: Engine, answered: int) -> int:
    """Answer every request that is complete; the next one may come out of that."""
    while answered < len(engine.up.exchanges) and engine.up.exchanges[answered].ended:
        engine.up.exchanges[answered].respond(200, b"ok")
        answered += 1
    return answered


def _without_dates(client: Client) -> bytes:
    lines = client.take().split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"date: "))


@given(st.data())
@fuzzed(150)
def test_any_split_of_good_requests_reads_the_same(data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(requests(), min_size=1, max_size=3)))
    assert reading(data.draw(splits(stream))) == reading([stream])


@given(st.data())
@fuzzed(150)
def test_any_split_of_damaged_requests_ends_the_same(data: st.DataObject) -> None:
    stream = bytearray(b"".join(data.draw(st.lists(requests(), min_size=1, max_size=2))))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] = data.draw(st.integers(0, 255))
    whole = reading([bytes(stream)])
    split = reading(data.draw(splits(bytes(stream))))
    # A body that breaks off may have been passed on in pieces before; heads and verdicts are the same.
    assert [request[:2] for request in split[0]] == [request[:2] for request in whole[0]]
    assert split[1].count(b"HTTP/1.1 ") == whole[1].count(b"HTTP/1.1 ")


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8))
@fuzzed(200)
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    engine = Engine()
    client = engine.connect()
    client.send(*pieces)
    client.send_eof()
    engine.loop.advance(2)
    assert client.closed
    assert engine.counter("http.test.downstream_rq_active") == 0
