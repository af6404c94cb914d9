"""Broken and cut-off responses on an HTTP/1.1 connection.  What each of them counts as is Envoy 1.40's verdict."""

from __future__ import annotations

import pytest

from tests.support.upstream_wire import OK, Wire


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"\r\n" + OK + b"\r\n",
        b"xyz",
        OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nhi",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        OK + b"transfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\ncontent-length: 2\r\n\r\n",
        OK + b"x" * 61_500,
        OK + b"x: " + b"y" * 61_500 + b"\r\n\r\n",
    ],
)
def test_a_broken_head(answer: bytes) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(answer)
    assert request.events[0] == "ready"
    assert request.events[1].startswith("reset: protocol error")
    assert len(request.events) == 2
    assert peer.closed
    counted = wire.counted()
    assert counted["upstream_cx_protocol_error"] == 1
    assert counted["upstream_cx_destroy_local_with_active_rq"] == 1
    assert "upstream_rq_active" not in counted


def test_a_broken_chunk_after_the_head() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", b"zz\r\n")
    assert request.events == ["ready", "headers 200", "data hi", "reset: protocol error: http1.codec_error"]


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"", ["reset: connection termination"]),
        (b"HTTP/1.1 200 OK\r\ncont", ["reset: protocol error: http1.codec_error"]),
        (b"HTTP/1.1 100 Continue\r\n\r\n", ["informational 100", "reset: connection termination"]),
        (OK + b"content-length: 5\r\n\r\nhi", ["headers 200", "data hi", "reset: protocol error: http1.codec_error"]),
        (OK + b"transfer-encoding: chunked\r\n\r\n", ["headers 200", "reset: protocol error: http1.codec_error"]),
    ],
)
@pytest.mark.parametrize("how", ["finish", "break_off"])
def test_the_host_closes_too_early(sent: bytes, events: list[str], how: str) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    if sent:
        peer.send(sent)
    getattr(peer, how)()
    assert request.events == ["ready", *events]
    counted = wire.counted()
    assert counted["upstream_cx_destroy_remote_with_active_rq"] == 1
    assert "upstream_cx_active" not in counted
    assert "upstream_rq_active" not in counted


def test_the_host_closes_an_idle_connection() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    peer.send(OK + b"content-length: 0\r\n\r\n")
    peer.finish()
    assert wire.counted()["upstream_cx_destroy_remote"] == 1
    assert "upstream_cx_destroy_with_active_rq" not in wire.counted()
    assert wire.ask().events == []
