"""Bodies that are compressed on their way, and those that are not."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.support.engine import Engine, get
from tests.support.http_filters import engine_with, http_filter

COMPRESSOR = "envoy.extensions.filters.http.compressor.v3.Compressor"
GZIP = {"name": "lib", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"}}
BODY = b"hello " * 20
STATS = "http.test.compressor.lib.gzip."


def compressor(**content: Any) -> Any:
    return http_filter(COMPRESSOR, {"compressor_library": GZIP, **content})


def unchunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        body += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    return body


def answer(
    engine: Engine, *fields: tuple[bytes, bytes], accept: bytes = b"gzip", body: bytes = BODY
) -> tuple[dict[bytes, bytes], bytes]:
    client = engine.connect()
    client.send(get(b"/", b"accept-encoding: " + accept))
    engine.up.last.respond(200, body, *fields)
    _, got, rest = client.take_response()
    return got, unchunked(rest) if got.get(b"transfer-encoding") == b"chunked" else rest


def test_a_response_is_compressed() -> None:
    engine = engine_with(compressor())
    fields, body = answer(engine, (b"etag", b'"strong"'))
    assert gzip.decompress(body) == BODY
    assert (fields[b"content-encoding"], fields[b"vary"]) == (b"gzip", b"Accept-Encoding")
    assert not {b"content-length", b"etag"} & fields.keys()
    assert engine.counter(STATS + "compressed") == 1
    assert engine.counter(STATS + "total_uncompressed_bytes") == len(BODY)
    assert engine.counter(STATS + "total_compressed_bytes") == len(body)


@pytest.mark.parametrize(
    ("field", "vary"),
    [
        ((b"content-type", b"image/png"), None),
        ((b"content-encoding", b"x"), None),
        ((b"cache-control", b"max-age=1, No-Transform"), None),
    ],
)
def test_what_is_not_compressed(field: tuple[bytes, bytes], vary: bytes | None) -> None:
    engine = engine_with(compressor())
    fields, body = answer(engine, field)
    assert (body, fields.get(b"vary")) == (BODY, vary)
    assert engine.counter(STATS + "not_compressed") == 1


@pytest.mark.parametrize(
    ("accept", "stat"),
    [(b"br", "header_not_valid"), (b"identity", "header_identity"), (b"", "header_not_valid")],
)
def test_a_cache_is_told_even_where_the_client_wants_none(accept: bytes, stat: str) -> None:
    engine = engine_with(compressor())
    fields, body = answer(engine, accept=accept)
    assert (body, fields[b"vary"]) == (BODY, b"Accept-Encoding")
    assert engine.counter(STATS + stat) == 1


def test_small_bodies_stay_as_they_are() -> None:
    engine = engine_with(compressor())
    assert answer(engine, body=b"small")[1] == b"small"
    assert engine.counter(STATS + "content_length_too_small") == 1


def test_an_etag_may_rule_it_out() -> None:
    engine = engine_with(compressor(response_direction_config={"disable_on_etag_header": True}))
    assert answer(engine, (b"etag", b"W/x"))[1] == BODY
    assert engine.counter(STATS + "not_compressed_etag") == 1
    assert engine.counter(STATS + "response.not_compressed") == 1


def test_the_upstream_does_not_see_what_the_client_accepts() -> None:
    engine = engine_with(compressor(response_direction_config={"remove_accept_encoding_header": True}))
    answer(engine)
    assert engine.up.last.field(b"accept-encoding") is None


def test_a_request_is_compressed_in_pieces() -> None:
    engine = engine_with(compressor(request_direction_config={}))
    client = engine.connect()
    client.send(get(b"/", b"content-length: %d" % len(BODY), method=b"POST") + BODY[:50], BODY[50:])
    assert gzip.decompress(engine.up.last.body) == BODY
    assert engine.up.last.field(b"content-encoding") == b"gzip"
    assert engine.up.last.ended


def test_trailers_end_a_compressed_request() -> None:
    engine = engine_with(compressor(request_direction_config={}), settings={})
    client = engine.connect()
    client.send(get(b"/", b"transfer-encoding: chunked", method=b"POST"), b"6\r\nhello \r\n", b"0\r\nx-end: 1\r\n\r\n")
    assert gzip.decompress(engine.up.last.body) == b"hello "
    assert engine.up.last.ended
