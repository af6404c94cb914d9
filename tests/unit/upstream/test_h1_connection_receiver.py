"""The receiver of an HTTP/1.1 exchange acts back on its connection: from within callbacks, and by its pace."""

from __future__ import annotations

import pytest

from tests.support.upstream_wire import OK, Recorder, Wire, post

# ---- the receiver acts from within its callbacks


def test_the_next_request_may_be_made_from_the_last_callback() -> None:
    wire = Wire()
    following = Recorder()

    def ask_again(event: str) -> None:
        if event.endswith("end"):
            wire.ask(following)

    first = wire.ask(Recorder(then=ask_again))
    peer = wire.peers[0].accept()
    peer.send(OK + b"content-length: 2\r\n\r\nhi")
    assert following.events == ["ready"]
    assert following.connection is first.connection
    peer.send(OK + b"content-length: 2\r\n\r\nho")
    assert (first.body, following.body) == (b"hi", b"ho")


@pytest.mark.parametrize(
    ("when", "answer"),
    [
        ("informational 100", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi"),
        ("headers 200", OK + b"content-length: 2\r\n\r\nhi"),
        ("headers 200", OK + b"content-length: 3\r\n\r\nhi"),
        ("headers 200", OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"),
        ("headers 200", OK + b"x: y\r\n\r\nhi"),
        ("data hi", OK + b"content-length: 3\r\n\r\nhi"),
    ],
)
def test_a_reset_from_within_a_callback_is_the_end(when: str, answer: bytes) -> None:
    wire = Wire()
    request = Recorder()

    def reset(event: str) -> None:
        if event == when:
            assert request.encoder is not None
            request.encoder.reset()

    request.then = reset
    wire.ask(request)
    peer = wire.peers[0].accept()
    peer.send(answer, b"more")
    assert request.events[-1] == when
    assert peer.closed
    counted = wire.counted()
    assert counted["upstream_cx_destroy_local_with_active_rq"] == 1
    assert "upstream_rq_active" not in counted
    assert "upstream_cx_active" not in counted


# ---- flow control


def test_reading_pauses_are_counted() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(OK + b"content-length: 9\r\n\r\n")
    encoder = request.encoder
    assert encoder is not None
    encoder.pause_reading()
    encoder.pause_reading()
    encoder.resume_reading()
    assert not peer.reading
    encoder.resume_reading()
    assert peer.reading
    counted = wire.counted()
    assert counted["upstream_flow_control_paused_reading_total"] == 1
    assert counted["upstream_flow_control_resumed_reading_total"] == 1


def test_a_pause_does_not_outlive_its_exchange() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    assert request.encoder is not None
    request.encoder.pause_reading()
    peer.send(OK + b"content-length: 0\r\n\r\n")
    assert peer.reading
    request.encoder.resume_reading()
    assert wire.ask().events == ["ready"]


def test_a_full_send_buffer_is_told() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post(), end_stream=False))
    peer = wire.peers[0].accept()
    peer.protocol.pause_writing()
    peer.protocol.resume_writing()
    assert request.events == ["ready", "blocked", "writable"]
    assert wire.counted()["upstream_flow_control_backed_up_total"] == 1
    assert wire.counted()["upstream_flow_control_drained_total"] == 1


def test_a_connection_with_unsent_bytes_is_not_used_again() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    peer.protocol.pause_writing()
    peer.send(OK + b"content-length: 0\r\n\r\n")
    assert peer.closed
