"""A pool under any order of what requests, hosts and time can do to it: nothing is counted twice, lost, or used by two."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataplane.semantics.header_map import RequestHeaders
from tests.support.fuzzing import fuzzed
from tests.support.upstream_wire import Peer, Recorder, Wire

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = [
    OK + b"content-length: 0\r\n\r\n",
    OK + b"content-length: 2\r\n\r\nhi",
    OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi",
    OK + b"x: until close\r\n\r\nhi",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 1\r\n\r\nx",
    OK + b"content-length: 2\r\n\r\nhi and more",
    b"garbage\r\n\r\n",
]
ENDS = ("end", "reset", "failed")


class Pool(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(
            connections=3, pending=4, requests=3, max_requests_per_connection=5, idle_timeout=50.0, max_connection_duration=200.0
        )
        self.requests: list[Recorder] = []
        self.silent: set[int] = set()  # requests that may hear nothing more: cancelled or reset by us
        self.answered: dict[int, bytes] = {}  # what is left of an answer, by peer
        self.drained = False

    # -- who is where

    def peers(self, dialling: bool) -> list[Peer]:
        return [peer for peer in self.wire.peers if not peer.closed and peer.dialling is dialling]

    def carried(self) -> dict[int, Recorder]:
        """Requests under way, by their connection."""
        under_way = [request for request in self.requests if "ready" in request.events and not self.is_over(request)]
        return {id(request.encoder): request for request in under_way}

    def is_over(self, request: Recorder) -> bool:
        return id(request) in self.silent or any(end in event for event in request.events for end in ENDS)

    def waiting(self) -> list[Recorder]:
        return [request for request in self.requests if request.events == [] and id(request) not in self.silent]

    # -- what happens

    @rule(body=st.booleans())
    def ask(self, body: bool) -> None:
        head = RequestHeaders(b"POST", b"/", b"a.test", b"http", [(b"content-length", b"3")]) if body else None
        request = Recorder(end_stream=not body) if head is None else Recorder(head, end_stream=False)
        self.requests.append(request)
        self.wire.ask(request)

    @rule(data=st.data())
    def finish_a_request(self, data: Any) -> None:
        unfinished = [request for request in self.carried().values() if not request.end_stream]
        if unfinished:
            request = data.draw(st.sampled_from(unfinished))
            request.encoder.encode_data(b"abc", True)
            request.end_stream = True

    @precondition(lambda self: self.peers(dialling=True))
    @rule(data=st.data(), accepted=st.booleans())
    def a_dial_ends(self, data: Any, accepted: bool) -> None:
        peer = data.draw(st.sampled_from(self.peers(dialling=True)))
        if accepted:
            peer.accept()
        else:
            peer.closed = True
            peer.refuse()

    @precondition(lambda self: self.peers(dialling=False))
    @rule(data=st.data(), answer=st.sampled_from(ANSWERS), cut=st.integers(0, 80))
    def the_host_sends(self, data: Any, answer: bytes, cut: int) -> None:
        peer = data.draw(st.sampled_from(self.peers(dialling=False)))
        left = self.answered.pop(id(peer), b"") or answer
        peer.send(left[:cut] or left)
        if cut and left[cut:] and not peer.closed:
            self.answered[id(peer)] = left[cut:]

    @precondition(lambda self: self.peers(dialling=False))
    @rule(data=st.data(), orderly=st.booleans())
    def the_host_closes(self, data: Any, orderly: bool) -> None:
        peer = data.draw(st.sampled_from(self.peers(dialling=False)))
        if orderly:
            peer.finish()
        else:
            peer.break_off()

    @precondition(lambda self: self.carried())
    @rule(data=st.data())
    def a_request_is_reset(self, data: Any) -> None:
        request = data.draw(st.sampled_from(list(self.carried().values())))
        self.silent.add(id(request))
        request.encoder.reset()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def a_request_is_cancelled(self, data: Any) -> None:
        request = data.draw(st.sampled_from(self.waiting()))
        self.silent.add(id(request))
        request.pending.cancel()

    @rule(seconds=st.sampled_from([1.0, 60.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.wire.clock.advance(seconds)

    @precondition(lambda self: not self.drained)
    @rule()
    def the_pool_drains(self) -> None:
        self.drained = True
        self.wire.pool.drain()

    # -- what must hold

    @invariant()
    def everything_is_counted_once(self) -> None:
        counted = self.wire.counted()
        live = [peer for peer in self.wire.peers if not peer.closed]
        carried = self.carried()
        assert (
            counted.get("upstream_cx_active", 0) == len(live) == self.wire.host.cx_active == self.wire.breakers.connections.active
        )
        assert (
            counted.get("upstream_rq_active", 0) == len(carried) == self.wire.host.rq_active == self.wire.breakers.requests.active
        )
        assert counted.get("upstream_rq_pending_active", 0) == len(self.waiting()) == self.wire.breakers.pending.active
        assert counted.get("upstream_cx_destroy", 0) == len(self.wire.peers) - len(live)

    @invariant()
    def no_connection_serves_two(self) -> None:
        under_way = [request for request in self.requests if "ready" in request.events and not self.is_over(request)]
        assert len({id(request.encoder) for request in under_way}) == len(under_way)

    @invariant()
    def nobody_hears_anything_after_the_end(self) -> None:
        for request in self.requests:
            for event in request.events[:-1]:
                assert not any(end in event for end in ENDS), request.events

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        """No request waits while a connection is free, and none without a connection that could come."""
        if self.waiting():
            assert self.peers(dialling=True) or len(self.carried()) == len(self.peers(dialling=False)) > 0

    @invariant()
    def a_drained_pool_ends(self) -> None:
        if self.drained and not self.carried() and not self.waiting():
            assert all(peer.closed for peer in self.wire.peers)
            assert self.wire.emptied

    def teardown(self) -> None:
        self.wire.pool.close()
        assert self.wire.counted().get("upstream_cx_active", 0) == 0
        assert self.wire.breakers.pending.active == 0


TestPool = Pool.TestCase
TestPool.settings = fuzzed(150, steps=60)
