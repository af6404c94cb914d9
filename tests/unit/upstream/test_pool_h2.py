"""HTTP/2 towards upstreams as a dialogue: which connection carries what, and what each end of a stream is called."""

from __future__ import annotations

import pytest

from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import Http2Options, KeepaliveSettings
from dataplane.semantics.header_map import HeaderMap, RequestHeaders
from tests.support import h2_frames as frames
from tests.support.upstream_h2_wire import H2Wire
from tests.support.upstream_wire import Recorder


def head(*fields: tuple[bytes, bytes]) -> RequestHeaders:
    return RequestHeaders(b"POST", b"/", b"a.test", b"http", list(fields))


def sent(host: object, kind: type) -> list[object]:
    return [event for event in host.events if type(event) is kind]  # type: ignore[attr-defined]


def open_wire(options: Http2Options = Http2Options(), **settings: object) -> H2Wire:  # noqa: B008  # immutable
    return H2Wire(options, **settings)  # type: ignore[arg-type]


# -- one exchange -------------------------------------------------------------------------------------------------------


def test_a_request_and_its_response() -> None:
    wire = open_wire()
    request, host = wire.exchange(Recorder(head=head((b"x", b"y"))))
    (received,) = sent(host, h2_session.RequestReceived)
    assert list(received.headers) == [  # type: ignore[attr-defined]
        (b":method", b"POST"),
        (b":path", b"/"),
        (b":scheme", b"http"),
        (b":authority", b"a.test"),
        (b"x", b"y"),
    ]
    host.respond(1, body=b"ok")
    assert request.events[:2] == ["ready", "headers 200"]
    assert request.body == b"ok"
    assert request.connection.protocol == "HTTP/2"
    counted = wire.counted()
    assert counted["upstream_cx_http2_total"] == counted["upstream_rq_total"] == 1
    assert "upstream_rq_active" not in counted


def test_a_response_that_came_in_one_read_may_be_handed_over_at_once() -> None:
    wire = open_wire()
    whole, parted = Recorder(whole=True), Recorder(whole=True)
    _, host = wire.exchange(whole, parted)
    host.respond(1, body=b"small")
    assert whole.events == ["ready", "whole 200 small"]
    host.respond(3, body=b"part", end_stream=False)
    assert parted.events == ["ready", "headers 200", "data part"]
    assert wire.counted()["upstream_rq_active"] == 1


def test_heads_may_all_come_before_the_bodies() -> None:
    wire = open_wire()
    first, second, slow = Recorder(whole=True), Recorder(whole=True), Recorder(whole=True)
    _, host = wire.exchange(first, second, slow)
    for stream_id in (1, 3, 5):
        host.session.send_response(stream_id, [(b":status", b"200")])
        host.session.send_data(stream_id, b"%d" % stream_id, end_stream=stream_id != 5)
    host.pump()
    assert first.events == ["ready", "whole 200 1"]
    assert second.events == ["ready", "whole 200 3"]
    assert slow.events == ["ready", "headers 200", "data 5"]


def test_a_head_before_a_reset_is_not_lost() -> None:
    wire = open_wire()
    request, host = wire.exchange(Recorder(whole=True))
    response = frames.headers(1, frames.block((b":status", b"200")), end_stream=False)
    host.peer.send(response + frames.reset(1))
    assert request.events == ["ready", "headers 200", "reset: remote reset"]


def test_bodies_and_trailers_both_ways() -> None:
    wire = open_wire()
    request, host = wire.exchange(Recorder(head=head(), end_stream=False))
    request.encoder.encode_data(b"one", False)
    request.encoder.encode_trailers(HeaderMap([(b"sum", b"1")]))
    host.pump()
    assert [event.data for event in sent(host, h2_session.DataReceived)] == [b"one"]  # type: ignore[attr-defined]
    assert [event.headers for event in sent(host, h2_session.TrailersReceived)] == [((b"sum", b"1"),)]  # type: ignore[attr-defined]
    host.session.send_response(1, [(b":status", b"200")])
    host.session.send_data(1, b"two")
    host.session.send_trailers(1, [(b"grpc-status", b"0")])
    host.pump()
    assert request.events == ["ready", "headers 200", "data two", "trailers"]


def test_informational_heads_come_first() -> None:
    wire = open_wire()
    request, host = wire.exchange()
    host.session.send_informational(1, [(b":status", b"103")])
    host.respond(1)
    assert request.events == ["ready", "informational 103", "headers 200 end"]


def test_a_response_before_its_request_ends_cuts_the_request_off() -> None:
    wire = open_wire()
    request, host = wire.exchange(Recorder(head=head(), end_stream=False))
    host.respond(1, b"413")
    assert request.events[-1] == "headers 413 end"
    assert [event.error_code for event in sent(host, h2_session.StreamReset)] == [2]  # type: ignore[attr-defined]
    assert wire.counted()["upstream_rq_tx_reset"] == 1
    assert not host.peer.closed


# -- which connection ---------------------------------------------------------------------------------------------------


def test_streams_share_a_connection() -> None:
    wire = open_wire()
    first, second = wire.ask(), wire.ask()
    host = wire.accept()
    third = wire.ask()
    host.pump()
    assert len(wire.peers) == 1
    assert host.requests() == [1, 3, 5]
    host.respond(3, body=b"b")
    host.respond(1, body=b"a")
    host.respond(5, body=b"c")
    assert [each.body for each in (first, second, third)] == [b"a", b"b", b"c"]


def test_the_limit_of_the_configuration_opens_connections() -> None:
    wire = open_wire(Http2Options(max_concurrent_streams=2))
    for _ in range(3):
        wire.ask()
    assert len(wire.peers) == 2
    one, two = wire.accept(0), wire.accept(1)
    assert (one.requests(), two.requests()) == ([1, 3], [1])


def test_the_limit_of_the_host_is_kept() -> None:
    wire = open_wire()
    wire.ask()
    host = wire.accept(options=Http2Options(max_concurrent_streams=1))
    other = wire.ask()
    assert len(wire.peers) == 2
    assert other.events == []
    host.respond(1)
    assert other.events == ["ready"]


def test_a_failed_connect_fails_all_who_wait() -> None:
    wire = open_wire()
    first, second = wire.ask(), wire.ask()
    wire.peers[0].refuse()
    assert first.events == second.events == ["failed: remote connection failure: delayed connect error: Connection refused"]
    assert wire.counted().get("upstream_rq_pending_active") is None


def test_the_breaker_for_requests_holds() -> None:
    wire = open_wire(requests=1)
    _, host = wire.exchange()
    late = wire.ask()
    assert late.events == ["failed: overflow"]
    assert wire.counted()["upstream_rq_active_overflow"] == 1
    assert not host.peer.closed


# -- ends ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "counted"),
    [
        (8, "remote reset", {"upstream_rq_rx_reset": 1}),
        (7, "remote refused stream reset", {}),
        (1, "protocol error", {"upstream_rq_tx_reset": 1}),
        (10, "remote error with CONNECT request", {}),
    ],
)
def test_a_reset_of_the_host_costs_one_stream(code: int, reason: str, counted: dict[str, int]) -> None:
    wire = open_wire()
    request, other = wire.ask(), wire.ask()
    host = wire.accept()
    host.session.reset_stream(1, code)
    host.respond(3)
    assert request.events == ["ready", f"reset: {reason}"]
    assert other.events == ["ready", "headers 200 end"]
    resets = ("upstream_rq_rx_reset", "upstream_rq_tx_reset")
    assert {name: value for name, value in wire.counted().items() if name in resets} == counted
    assert wire.counted()["http2.rx_reset"] == 1


def test_a_request_given_up_is_reset() -> None:
    wire = open_wire()
    request, host = wire.exchange()
    request.encoder.reset()
    host.pump()
    assert [event.error_code for event in sent(host, h2_session.StreamReset)] == [2]  # type: ignore[attr-defined]
    assert request.events == ["ready"]
    assert wire.counted()["upstream_rq_tx_reset"] == 1
    assert "upstream_rq_active" not in wire.counted()
    wire.ask()
    assert len(wire.peers) == 1


def test_a_host_that_ends_its_answer_before_the_request_and_resets_the_stream_is_counted_so() -> None:
    wire = open_wire()
    request = wire.ask(Recorder(head=head(), end_stream=False))
    wire.accept().peer.send(frames.headers(1, frames.block((b":status", b"200"))) + frames.reset(1, 0) * 2)
    assert request.events == ["ready", "headers 200 end"]
    assert {name: wire.counted()[name] for name in ("http2.rx_reset", "http2.tx_reset")} == {
        "http2.rx_reset": 1,
        "http2.tx_reset": 1,
    }


def test_goaway_lets_accepted_streams_end_and_refuses_the_rest() -> None:
    wire = open_wire()
    first, second = wire.ask(), wire.ask()
    host = wire.accept()
    host.peer.send(frames.goaway(1))
    assert second.events == ["ready", "reset: remote refused stream reset"]
    third = wire.ask()
    assert len(wire.peers) == 2
    host.respond(1)
    assert first.events == ["ready", "headers 200 end"]
    assert host.peer.closed
    assert wire.counted()["upstream_cx_close_notify"] == 1
    assert third.events == []


def test_a_lost_connection_ends_all_its_streams() -> None:
    wire = open_wire()
    first, second = wire.ask(), wire.ask()
    wire.accept().peer.break_off()
    assert first.events == second.events == ["ready", "reset: connection termination"]
    counted = wire.counted()
    assert counted["upstream_cx_destroy_remote_with_active_rq"] == 1
    assert counted["upstream_rq_pending_failure_eject"] == 2
    assert "upstream_rq_active" not in counted
    assert "http2.streams_active" not in counted


BROKEN = {
    "no status": frames.headers(1, frames.block((b"a", b"b"))),
    "connection header": frames.headers(1, frames.block((b":status", b"200"), (b"connection", b"close"))),
    "line break": frames.headers(1, frames.block((b":status", b"200"), (b"a", b"b\r\nc: d"))),
    "data first": frames.data(1, b"body"),
    "no HTTP/2": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_a_protocol_error(answer: bytes) -> None:
    wire = open_wire()
    request = wire.ask()
    peer = wire.peers[0].accept()
    wire.run()
    peer.send((frames.settings() if answer[:4] != b"HTTP" else b"") + answer)
    wire.run()
    assert request.events[-1] == "reset: protocol error"
    assert wire.counted()["upstream_cx_protocol_error"] == 1
    assert wire.counted()["upstream_rq_tx_reset"] == 1
    assert "upstream_cx_destroy_local_with_active_rq" not in wire.counted()
    assert peer.closed


@pytest.mark.parametrize("body", [b"abc", b"abcdefg"], ids=["short", "long"])
def test_a_body_of_another_length_than_announced_costs_its_stream_alone(body: bytes) -> None:
    wire = open_wire()
    request, other = wire.ask(), wire.ask()
    peer = wire.peers[0].accept()
    wire.run()
    peer.send(frames.settings() + frames.headers(1, frames.block((b":status", b"200"), (b"content-length", b"5")), False))
    peer.send(frames.data(1, body) + frames.headers(3, frames.block((b":status", b"204"))))
    wire.run()
    assert request.events == ["ready", "headers 200", "reset: protocol error"]
    assert other.events == ["ready", "headers 204 end"]
    assert not peer.closed


@pytest.mark.parametrize(("method", "status"), [(b"GET", b"204"), (b"GET", b"304"), (b"HEAD", b"200"), (b"HEAD", b"204")])
def test_a_body_where_none_may_be_costs_its_stream_alone(method: bytes, status: bytes) -> None:
    wire = open_wire()
    request, other = wire.ask(Recorder(RequestHeaders(method, b"/", b"a.test", b"http"))), wire.ask()
    peer = wire.peers[0].accept()
    wire.run()
    peer.send(frames.settings() + frames.headers(1, frames.block((b":status", status)), False) + frames.data(1, b"body"))
    peer.send(frames.headers(3, frames.block((b":status", b"200"))))
    wire.run()
    assert request.events[1:] == [f"headers {status.decode()}", "reset: protocol error"]
    assert other.events == ["ready", "headers 200 end"]
    assert not peer.closed


def test_a_broken_answer_costs_its_stream_where_that_is_configured() -> None:
    wire = open_wire(Http2Options(stream_error_on_invalid_message=True))
    request, host = wire.exchange()
    host.peer.send(frames.headers(1, frames.block((b":status", b"200"), (b"connection", b"close"))))
    host.pump()
    assert request.events == ["ready", "reset: protocol error"]
    assert not host.peer.closed


@pytest.mark.parametrize("fields", [[(b"a", b"x" * 70_000)], [(b"a%d" % number, b"1") for number in range(101)]])
def test_a_head_over_a_limit(fields: list[tuple[bytes, bytes]]) -> None:
    wire = open_wire()
    request, host = wire.exchange()
    host.session.send_response(1, [(b":status", b"200"), *fields], end_stream=True)
    host.pump()
    assert request.events == ["ready", "reset: remote reset"]
    assert not host.peer.closed


# -- pace ---------------------------------------------------------------------------------------------------------------


def test_a_paused_response_keeps_its_window_closed() -> None:
    wire = open_wire(Http2Options(initial_stream_window_size=65535))
    request, host = wire.exchange()
    request.encoder.pause_reading()
    host.respond(1, body=b"x" * 100_000)
    assert len(request.body) == 65535
    request.encoder.resume_reading()
    host.pump()
    assert len(request.body) == 100_000


def test_a_host_that_does_not_take_the_request_blocks_its_sender() -> None:
    wire = open_wire(buffer_limit=100_000)
    wire.ask(request := Recorder(head=head(), end_stream=False))
    host = wire.accept(options=Http2Options(initial_stream_window_size=65535))
    request.encoder.encode_data(b"x" * 200_000, False)  # type: ignore[union-attr]
    host.pump()
    assert request.events[-1] == "blocked"
    taken = 65535
    while taken:
        host.session.acknowledge(1, taken)
        taken = sum(len(event.data) for event in host.pump() if type(event) is h2_session.DataReceived)
    assert request.events[-1] == "writable"


# -- age ----------------------------------------------------------------------------------------------------------------


def test_the_last_response_may_come_in_one_read_with_a_goaway() -> None:
    wire = open_wire()
    request, host = wire.exchange()
    host.session.send_response(1, [(b":status", b"200")])
    host.session.send_data(1, b"the last", end_stream=True)
    host.session.goaway()
    host.pump()
    assert request.events == ["ready", "headers 200", "data the last end"]
    assert host.peer.closed
    assert wire.counted()["upstream_cx_close_notify"] == 1


def test_an_idle_connection_closes_with_a_goaway() -> None:
    wire = open_wire(idle_timeout=10.0)
    _, host = wire.exchange()
    host.respond(1)
    wire.clock.advance(10.1)
    assert host.peer.closed
    assert frames.split(host.peer.take())[-1].kind == frames.GOAWAY
    assert wire.counted()["upstream_cx_idle_timeout"] == 1


def test_max_connection_duration_lets_streams_end() -> None:
    wire = open_wire(max_connection_duration=10.0)
    request, host = wire.exchange()
    wire.clock.advance(10.1)
    assert not host.peer.closed
    wire.ask()
    assert len(wire.peers) == 2
    host.respond(1)
    assert request.events[-1] == "headers 200 end"
    assert host.peer.closed


def test_max_requests_per_connection() -> None:
    wire = open_wire(max_requests_per_connection=2)
    _, host = wire.exchange(Recorder(), Recorder())
    wire.ask()
    assert len(wire.peers) == 2
    host.respond(1)
    host.respond(3)
    assert host.peer.closed
    assert wire.counted()["upstream_cx_max_requests"] == 1


def test_a_draining_pool_serves_whom_it_accepted() -> None:
    wire = open_wire()
    request, host = wire.exchange()
    wire.h2_pool.drain()
    assert not host.peer.closed
    host.respond(1)
    assert request.events[-1] == "headers 200 end"
    assert host.peer.closed
    assert wire.emptied == 1


def test_a_host_that_answers_no_ping_is_given_up() -> None:
    wire = open_wire(Http2Options(keepalive=KeepaliveSettings(interval=10.0, timeout=2.0, jitter=0.0)))
    request, host = wire.exchange()
    wire.clock.advance(10.1)
    host.pump()
    wire.clock.advance(10.1)
    assert request.events == ["ready"]
    wire.clock.advance(2.1)
    assert request.events == ["ready", "reset: connection termination"]
    assert wire.counted()["http2.keepalive_timeout"] == 1
