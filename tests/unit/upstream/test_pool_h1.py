"""Reuse, waiting, limits, ageing and draining of one host's connections."""

from __future__ import annotations

from dataplane.api.upstream import PoolFailure
from tests.support.upstream_wire import Peer, Recorder, Wire

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def idle_connections(wire: Wire, count: int) -> list[Peer]:
    for _ in range(count):
        wire.ask()
    for peer in wire.peers:
        peer.accept()
    for peer in wire.peers:
        peer.send(ANSWER)
        peer.take()
    return wire.peers


def test_a_request_waits_for_its_connection() -> None:
    wire = Wire()
    request = wire.ask()
    assert request.pending is not None
    assert wire.counted()["upstream_rq_pending_active"] == 1
    wire.peers[0].accept()
    assert request.events == ["ready"]
    counted = wire.counted()
    assert "upstream_rq_pending_active" not in counted
    assert counted["upstream_rq_pending_total"] == counted["upstream_rq_total"] == counted["upstream_rq_active"] == 1
    assert counted["upstream_cx_total"] == counted["upstream_cx_active"] == counted["upstream_cx_http1_total"] == 1
    assert (wire.host.cx_total, wire.host.cx_active, wire.host.rq_total, wire.host.rq_active) == (1, 1, 1, 1)


def test_who_waits_longest_is_served_first_by_whatever_connection_comes() -> None:
    wire = Wire()
    first, second = wire.ask(), wire.ask()
    wire.peers[1].accept()
    assert (first.events, second.events) == (["ready"], [])
    wire.peers[1].send(ANSWER)
    assert second.events == ["ready"]
    wire.peers[0].accept()
    assert len(wire.peers) == 2


def test_the_connection_used_last_is_used_next() -> None:
    wire = Wire()
    _, _, last = idle_connections(wire, 3)
    wire.ask()
    assert last.take() != b""


def test_a_connection_that_began_to_close_is_passed_over() -> None:
    wire = Wire()
    older, newer = idle_connections(wire, 2)
    newer.closed = True
    wire.ask()
    assert older.take() != b""
    assert wire.counted()["upstream_cx_active"] == 1


def test_a_refused_connect_fails_everybody_who_waits() -> None:
    wire = Wire()
    requests = [wire.ask(), wire.ask()]
    wire.peers[0].refuse()
    expected = ["failed: remote connection failure: delayed connect error: Connection refused"]
    assert [request.events for request in requests] == [expected, expected]
    counted = wire.counted()
    assert counted["upstream_cx_connect_fail"] == 1
    assert counted["upstream_rq_pending_failure_eject"] == 2
    assert "upstream_rq_pending_active" not in counted
    assert "upstream_rq_total" not in counted
    assert wire.host.cx_connect_fail == 1
    wire.peers[1].accept()
    assert wire.ask().events == ["ready"]


def test_who_asks_again_from_within_the_failure_gets_a_new_attempt() -> None:
    wire = Wire()
    again = Recorder()
    wire.ask(Recorder(then=lambda event: wire.ask(again) and None))
    wire.peers[0].refuse()
    assert len(wire.peers) == 2
    wire.peers[1].accept()
    assert again.events == ["ready"]


def test_a_connect_that_takes_too_long() -> None:
    wire = Wire()
    request = wire.ask()
    wire.peers[0].protocol.connect_failed(PoolFailure.TIMEOUT, "")
    assert request.events == ["failed: connection timeout"]
    assert wire.counted()["upstream_cx_connect_timeout"] == 1
    assert wire.counted()["upstream_cx_connect_fail"] == 1


def test_a_cancelled_request_hears_nothing_and_its_connection_serves_the_next() -> None:
    wire = Wire()
    request = wire.ask()
    request.pending.cancel()
    request.pending.cancel()
    wire.peers[0].accept()
    assert request.events == []
    assert wire.counted()["upstream_rq_cancelled"] == 1
    assert wire.ask().events == ["ready"]


def test_the_host_closes_a_connection_while_others_wait() -> None:
    wire = Wire(connections=1)
    first = wire.ask()
    wire.peers[0].accept()
    second = wire.ask()
    wire.peers[0].finish()
    assert first.events == ["ready", "reset: connection termination"]
    wire.peers[1].accept()
    assert second.events == ["ready"]


# ---- limits


def test_more_requests_than_connections_wait() -> None:
    wire = Wire(connections=1)
    first, second = wire.ask(), wire.ask()
    assert len(wire.peers) == 1
    assert wire.counted()["upstream_cx_overflow"] == 1
    assert wire.counted()["circuit_breakers.default.cx_open"] == 1
    wire.peers[0].accept().send(ANSWER)
    assert first.events == ["ready", "headers 200 end"]
    assert second.events == ["ready"]


def test_the_first_connection_is_opened_whatever_the_limit() -> None:
    wire = Wire(connections=0)
    request = wire.ask()
    wire.peers[0].accept()
    assert request.events == ["ready"]


def test_too_many_waiting() -> None:
    wire = Wire(pending=1)
    wire.ask()
    assert wire.counted()["circuit_breakers.default.rq_pending_open"] == 1
    refused = wire.ask()
    assert refused.pending is None
    assert refused.events == ["failed: overflow"]
    assert wire.counted()["upstream_rq_pending_overflow"] == 1


def test_too_many_requests() -> None:
    wire = Wire(requests=1)
    idle_connections(wire, 1)
    wire.ask()
    assert wire.counted()["circuit_breakers.default.rq_open"] == 1
    refused = wire.ask()
    wire.peers[-1].accept()
    assert refused.events == ["failed: overflow"]
    wire.peers[0].send(ANSWER)
    assert "circuit_breakers.default.rq_open" not in wire.counted()
    assert wire.ask().events == ["ready"]


def test_requests_per_connection_are_limited() -> None:
    wire = Wire(max_requests_per_connection=2)
    wire.ask()
    peer = wire.peers[0].accept()
    peer.send(ANSWER)
    wire.ask()
    peer.send(ANSWER)
    assert peer.closed
    assert wire.counted()["upstream_cx_max_requests"] == 1


# ---- ageing


def test_idle_connections_close_in_their_time() -> None:
    wire = Wire(idle_timeout=10.0)
    first, second = idle_connections(wire, 2)
    wire.clock.advance(6.0)
    wire.ask()
    second.send(ANSWER)
    wire.clock.advance(5.0)
    assert (first.closed, second.closed) == (True, False)
    wire.clock.advance(5.2)
    assert second.closed
    assert wire.counted()["upstream_cx_idle_timeout"] == 2
    assert not wire.clock.timers


def test_zero_turns_the_idle_timeout_off() -> None:
    wire = Wire(idle_timeout=0.0)
    (peer,) = idle_connections(wire, 1)
    wire.clock.advance(1e6)
    assert not peer.closed


def test_old_connections_close_as_soon_as_they_are_free() -> None:
    wire = Wire(max_connection_duration=10.0)
    idle, busy = idle_connections(wire, 2)
    under_way = wire.ask()
    wire.clock.advance(10.1)
    assert (idle.closed, busy.closed) == (True, False)
    busy.send(ANSWER)
    assert under_way.events == ["ready", "headers 200 end"]
    assert busy.closed
    assert wire.counted()["upstream_cx_max_duration_reached"] == 2


# ---- leaving


def test_a_draining_pool_serves_who_is_there_and_closes() -> None:
    wire = Wire()
    idle, _ = idle_connections(wire, 2)
    under_way = wire.ask()
    wire.pool.drain()
    assert idle.closed
    assert wire.emptied == 0
    wire.peers[1].send(ANSWER)
    assert under_way.events == ["ready", "headers 200 end"]
    assert wire.peers[1].closed
    assert wire.emptied >= 1


def test_a_draining_pool_still_connects_for_who_waits() -> None:
    wire = Wire()
    waiting = wire.ask()
    wire.pool.drain()
    peer = wire.peers[0].accept()
    assert waiting.events == ["ready"]
    peer.send(ANSWER)
    assert peer.closed
    assert wire.emptied >= 1


def test_a_draining_pool_gives_up_connects_nobody_waits_for() -> None:
    wire = Wire()
    request = wire.ask()
    wire.pool.drain()
    request.pending.cancel()
    assert wire.peers[0].closed
    assert wire.emptied >= 1


def test_a_draining_pool_gives_up_the_connects_that_others_made_needless() -> None:
    wire = Wire()
    wire.ask()
    wire.ask()
    wire.pool.drain()
    first, second = wire.peers
    first.accept().send(ANSWER)
    assert second.closed
    first.send(ANSWER)
    assert first.closed
    assert wire.emptied >= 1


def test_a_draining_pool_gives_up_the_connects_of_those_that_failed() -> None:
    wire = Wire()
    wire.ask()
    wire.ask()
    wire.pool.drain()
    first, second = wire.peers
    first.refuse()
    assert second.closed
    assert wire.emptied >= 1


def test_an_empty_pool_is_drained_at_once() -> None:
    wire = Wire()
    wire.pool.drain()
    assert wire.emptied == 1


def test_closing_tells_nobody() -> None:
    wire = Wire()
    idle_connections(wire, 2)
    under_way, waiting = wire.ask(), wire.ask()
    third = wire.ask()
    wire.pool.close()
    assert [request.events for request in (under_way, waiting, third)] == [["ready"], ["ready"], []]
    assert all(peer.closed for peer in wire.peers)
    assert "upstream_cx_active" not in wire.counted()


def test_nothing_is_left_when_all_is_over() -> None:
    wire = Wire()
    for peer in idle_connections(wire, 3):
        peer.finish()
    left = {name for name in wire.counted() if name.endswith("_active") or name.startswith("circuit_breakers")}
    assert left == set()
    assert (wire.host.cx_active, wire.host.rq_active, wire.host.rq_pending_active) == (0, 0, 0)
    assert "connections=0" in repr(wire.pool)
