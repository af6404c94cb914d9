"""How an HTTP/2 connection towards downstream ends: drains, idleness, limits, loss, silence."""

from __future__ import annotations

from dataplane.observe import flags
from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import Http2Options, KeepaliveSettings
from tests.support import h2_frames as wire
from tests.support.downstream_h2 import GREETING, Peer
from tests.support.engine import Engine


class Drain:
    by_overload = False

    def should_close(self, now: float) -> bool:
        return True


def test_a_drain_announces_itself_and_lets_streams_end() -> None:
    engine = Engine(settings={"drain_timeout": 5.0})
    peer = Peer(engine)
    first, second = peer.ask(), peer.ask()
    peer.client.connection.drain = Drain()
    engine.up.exchanges[0].respond(200, b"one")
    peer.pump()
    notices = [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived]
    assert notices == [2**31 - 1]
    engine.loop.advance(5.1)
    peer.pump()
    assert not peer.client.closed
    engine.up.exchanges[1].respond(200, b"two")
    assert peer.answer(first)[2] + peer.answer(second)[2] == b"onetwo"
    assert [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived] == [2**31 - 1, second]
    engine.loop.advance(1.1)
    assert peer.client.closed
    assert engine.counter("http.test.downstream_cx_drain_close") == 1


def test_an_idle_connection_drains() -> None:
    engine = Engine(settings={"idle_timeout": 10.0, "drain_timeout": 2.0})
    peer = Peer(engine)
    peer.ask()
    engine.up.last.respond(200, b"one")
    peer.pump()
    engine.loop.advance(10.1)
    peer.pump()
    assert [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived] == [2**31 - 1]
    engine.loop.advance(3.2)
    assert peer.client.closed
    assert engine.counter("http.test.downstream_cx_idle_timeout") == 1


def test_max_requests_per_connection_sends_the_client_away() -> None:
    engine = Engine(settings={"max_requests_per_connection": 2})
    peer = Peer(engine)
    peer.ask()
    assert not [event for event in peer.events if type(event) is h2_session.GoAwayReceived]
    peer.ask()
    assert [event for event in peer.events if type(event) is h2_session.GoAwayReceived]
    assert engine.counter("http.test.downstream_cx_max_requests_reached") == 1


def test_a_lost_connection_ends_all_streams() -> None:
    engine = Engine()
    peer = Peer(engine)
    peer.ask()
    peer.ask()
    peer.client.send_eof()
    assert [exchange.was_reset for exchange in engine.up.exchanges] == [True, True]
    assert {info.response_flags for info in engine.log.entries} == {flags.DOWNSTREAM_CONNECTION_TERMINATION}
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert engine.counter("http2.streams_active") == 0


def test_a_client_that_answers_no_ping_is_dropped() -> None:
    keepalive = KeepaliveSettings(interval=10.0, timeout=2.0, jitter=0.0)
    engine = Engine(settings={"http2": Http2Options(keepalive=keepalive)})
    client = engine.connect()
    client.send(GREETING)
    client.take()
    engine.loop.advance(10.1)
    (ping,) = wire.split(client.take())
    assert ping.kind == wire.PING
    client.send(wire.frame(wire.PING, wire.ACK, 0, ping.payload))
    engine.loop.advance(10.1)
    assert not client.closed
    engine.loop.advance(2.1)
    assert client.closed
    assert engine.counter("http2.keepalive_timeout") == 1


def test_a_client_that_answers_no_ping_is_logged_as_such() -> None:
    engine = Engine(settings={"http2": Http2Options(keepalive=KeepaliveSettings(interval=10.0, timeout=2.0, jitter=0.0))})
    engine.connect().send(GREETING, wire.headers(1, wire.request_block()))
    engine.loop.advance(10.1)
    engine.loop.advance(2.1)
    assert engine.log.last.response_code_details == "downstream_local_disconnect(http2_ping_timeout)"
    assert engine.counter("http.test.downstream_cx_destroy_local") == 1


def test_the_last_word_of_a_client_is_no_mistake_whatever_it_says() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(GREETING, wire.headers(1, wire.request_block()), wire.goaway(0, h2_session.INTERNAL_ERROR))
    engine.up.last.respond(200, b"ok")
    client.take()
    engine.loop.advance(5)
    assert engine.counter("http.test.downstream_cx_protocol_error") == 0
    assert not client.closed
