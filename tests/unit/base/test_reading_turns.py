"""Whoever got a large read lets others come first, on both sides of the proxy, and stays still where it has to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataplane.api.upstream import RequestEncoder
from dataplane.base.reading_turns import A_TURN, LARGE_READ
from dataplane.base.write_queue import WriteQueue
from dataplane.observe import flags
from tests.support import h2_frames as wire
from tests.support.downstream_h2 import GREETING
from tests.support.engine import Client, Engine, get
from tests.support.upstream_h2_wire import H2Wire
from tests.support.upstream_wire import OK, Peer, Recorder, Wire

HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
MANY = LARGE_READ // len(HINT) + 1
PONG = wire.frame(wire.PING, wire.ACK, payload=bytes(8))


def hosts() -> tuple[list[Callable[[], None]], Recorder, Peer]:
    """What is called soon, a request, and the connection that carries it."""
    soon: list[Callable[[], None]] = []
    request, peer = Wire(writes=WriteQueue(soon.append)).exchange()
    soon.pop()()
    return soon, request, peer


def talkative_host() -> tuple[list[Callable[[], None]], RequestEncoder, Peer]:
    """The same when the host has sent much: the request's encoder in its place."""
    soon, request, peer = hosts()
    peer.send(HINT * MANY)
    assert request.encoder is not None
    return soon, request.encoder, peer


def test_a_host_that_sent_much_is_read_in_the_next_pass() -> None:
    soon, request, peer = hosts()
    peer.send(HINT * MANY)
    assert request.events[1:] == ["informational 103"] * MANY
    assert not peer.reading
    soon.pop()()
    assert peer.reading
    peer.send(OK + b"content-length: 2\r\n\r\nok")
    assert request.body == b"ok"
    assert not soon


def test_a_host_that_must_wait_waits_beyond_its_turn() -> None:
    soon, encoder, peer = talkative_host()
    encoder.pause_reading()
    soon.pop()()
    assert not peer.reading
    encoder.resume_reading()
    assert peer.reading


def test_a_host_that_waits_already_takes_no_turns() -> None:
    soon, request, peer = hosts()
    assert request.encoder is not None
    peer.send(OK + b"content-length: %d\r\n\r\n" % (2 * LARGE_READ))
    request.encoder.pause_reading()
    peer.send(bytes(LARGE_READ))
    assert not soon
    assert not peer.reading


def test_a_connection_to_a_host_may_end_before_its_next_turn() -> None:
    soon, encoder, peer = talkative_host()
    encoder.reset()
    soon.pop()()
    assert not peer.reading


def test_a_host_that_sent_many_frames_is_read_in_the_next_pass() -> None:
    hosts = H2Wire()
    _, host = hosts.exchange()
    host.peer.send(PONG * (LARGE_READ // len(PONG) + 1))
    assert not host.peer.reading
    hosts.run()
    assert host.peer.reading


def test_a_connection_of_many_streams_may_end_before_its_next_turn() -> None:
    hosts = H2Wire()
    _, host = hosts.exchange()
    host.peer.send(PONG * (LARGE_READ // len(PONG) + 1))
    host.peer.break_off()
    hosts.run()
    assert not host.peer.reading


def upload(size: int) -> tuple[Engine, Client]:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"content-length: %d" % size, method=b"POST"))
    return engine, client


def test_a_client_that_sent_much_is_read_in_the_next_pass() -> None:
    engine, client = upload(2 * LARGE_READ)
    client.connection.data_received(bytes(LARGE_READ))
    assert not client.transport.reading
    engine.loop.run_soon()
    assert client.transport.reading


def test_a_client_whose_host_takes_no_more_waits_beyond_its_turn() -> None:
    engine, client = upload(2 * LARGE_READ)
    client.connection.data_received(bytes(LARGE_READ))
    engine.up.last.receiver.on_write_blocked()
    engine.loop.run_soon()
    assert not client.transport.reading
    engine.up.last.receiver.on_write_ready()
    assert client.transport.reading


def test_a_client_may_be_gone_before_its_next_turn() -> None:
    engine, client = upload(2 * LARGE_READ)
    client.connection.data_received(bytes(LARGE_READ))
    client.transport.close()
    engine.loop.run_soon()
    assert not client.transport.reading


def frames_of_a_byte(stream_id: int = 1) -> bytes:
    """A body in more frames than a turn has."""
    return wire.data(stream_id, b"x", False) * 2 * A_TURN + wire.data(stream_id, b"x")


def test_a_client_of_many_small_frames_goes_on_in_the_next_passes() -> None:
    engine = Engine()
    client = engine.connect()
    client.connection.data_received(GREETING + wire.headers(1, wire.request_block(), False) + frames_of_a_byte())
    upload = engine.up.last
    assert len(upload.body) < A_TURN
    assert not client.transport.reading
    engine.loop.run_soon()
    assert client.transport.reading
    assert len(upload.body) == 2 * A_TURN + 1
    assert upload.ended


def test_a_client_that_breaks_the_rules_behind_many_frames_is_told_so_in_its_turn() -> None:
    engine = Engine()
    client = engine.connect()
    broken = wire.frame(wire.SETTINGS, payload=b"abc")
    client.connection.data_received(GREETING + wire.headers(1, wire.request_block(), False) + frames_of_a_byte() + broken)
    assert engine.log.entries == []
    engine.loop.run_soon()
    assert engine.log.last.response_flags == flags.DOWNSTREAM_PROTOCOL_ERROR


def test_a_client_of_many_small_frames_may_be_gone_before_its_next_turn() -> None:
    engine = Engine()
    client = engine.connect()
    client.connection.data_received(GREETING + wire.headers(1, wire.request_block(), False) + frames_of_a_byte())
    upload = engine.up.last
    client.connection.connection_lost(None)
    engine.loop.run_soon()
    assert upload.was_reset
    assert len(upload.body) < A_TURN


def test_a_mistake_of_ours_in_a_later_turn_ends_the_connection() -> None:
    engine = Engine()
    client = engine.connect()
    client.connection.data_received(GREETING + wire.headers(1, wire.request_block(), False) + frames_of_a_byte())

    def stumble(data: bytes, end_stream: bool) -> None:
        raise ArithmeticError

    engine.up.last.encode_data = stumble  # type: ignore[method-assign]
    with pytest.raises(ArithmeticError):
        engine.loop.run_soon()
    assert client.closed


def test_a_host_of_many_small_frames_goes_on_in_the_next_passes() -> None:
    hosts = H2Wire()
    request, host = hosts.exchange()
    host.peer.send(wire.headers(1, wire.block((b":status", b"200")), False) + frames_of_a_byte())
    assert len(request.body) < A_TURN
    assert not host.peer.reading
    hosts.run()
    assert host.peer.reading
    assert len(request.body) == 2 * A_TURN + 1
    assert request.events[-1] == "data x end"


def test_a_host_that_breaks_the_rules_behind_many_frames_is_told_so_in_its_turn() -> None:
    hosts = H2Wire()
    request, host = hosts.exchange()
    broken = wire.frame(wire.SETTINGS, payload=b"abc")
    host.peer.send(wire.headers(1, wire.block((b":status", b"200")), False) + frames_of_a_byte() + broken)
    assert hosts.counted().get("upstream_cx_protocol_error", 0) == 0
    hosts.run()
    assert request.events[-1] == "data x end"
    assert hosts.counted()["upstream_cx_protocol_error"] == 1
    assert host.peer.closed


def test_a_connection_to_a_host_of_many_small_frames_may_end_before_its_next_turn() -> None:
    hosts = H2Wire()
    request, host = hosts.exchange()
    host.peer.send(wire.headers(1, wire.block((b":status", b"200")), False) + frames_of_a_byte())
    host.peer.break_off()
    hosts.run()
    assert request.events[-1] == "reset: connection termination"
    assert len(request.body) < A_TURN
