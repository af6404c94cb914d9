"""All that one read brings is known to the HTTP/2 session before anybody hears of its first frame: a stream may be over, and the connection
with it, while its head is still being dealt with.  Whatever is sent in the middle of such a read, nothing breaks and nothing is left."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.http.config import HttpFilterEntry
from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
from tests.support import h2_frames as wire
from tests.support.engine import Engine
from tests.support.fuzzing import fuzzed
from tests.support.upstream_h2_wire import H2Wire
from tests.support.upstream_wire import Recorder, post

STREAMS = st.sampled_from([1, 1, 1, 3])
ENDS = st.one_of(
    st.builds(wire.reset, STREAMS, st.sampled_from([0, 1, 7, 8])),
    st.builds(wire.goaway, st.sampled_from([0, 1, 3]), st.integers(0, 2)),
    st.just(wire.settings(window=0)),
    st.just(wire.data(0, b"a broken connection")),
)


def frames_of(heads: list[bytes]) -> st.SearchStrategy[bytes]:
    """What one read brings: a message at least that begins, more of them or of it, and what ends them early."""
    head = st.builds(wire.headers, STREAMS, st.sampled_from(heads), st.booleans())
    data = st.builds(wire.data, STREAMS, st.sampled_from([b"", b"abc"]), st.booleans())
    trailers = st.builds(wire.headers, STREAMS, st.just(wire.block((b"sum", b"1"))), st.just(True))
    more = st.lists(st.one_of(head, data, data, trailers, ENDS, ENDS), max_size=6)
    return st.builds(lambda first, rest: b"".join([wire.headers(1, first, False), *rest]), st.sampled_from(heads), more)


# -- towards downstream

# What is answered in the middle of the read, event by event; "late": when it is over, as an upstream's answer would be.
ANSWERS = st.sampled_from(
    [
        ["inform", "head", "body", "trailers"],
        ["head", "body", "end"],
        ["head", "trailers"],
        ["head", "reset"],
        ["whole"],
        ["reply"],
        ["reset"],
        ["late", "head", "body", "end"],
        ["inform", "late", "whole"],
        ["head", "late", "body", "trailers"],
        ["pause", "late", "resume", "reply"],
    ]
)


class Answering:
    """The terminal filter of every stream, in place of a router.  Takes one step of its script with each event of the request."""

    def __init__(self, script: list[str], at_once: bool) -> None:
        self.script = script
        self.at_once = at_once
        self.made: list[AnsweringStream] = []

    def bind(self, server: object, stats: object) -> Answering:
        return self

    def new_stream(self, stream: Any) -> AnsweringStream:
        self.made.append(AnsweringStream(stream, list(self.script), self.at_once))
        return self.made[-1]


class AnsweringStream:
    """Implements api.http_filter.TerminalFilter."""

    def __init__(self, stream: Any, script: list[str], at_once: bool) -> None:
        self.stream = stream
        self.script = script
        self.at_once = at_once  # the whole answer with the first event
        self.over = False

    def decode_headers(self, headers: object, end_stream: bool) -> None:
        self.go_on()

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        self.go_on()

    def decode_trailers(self, trailers: object) -> None:
        self.go_on()

    def on_downstream_blocked(self) -> None: ...

    def on_downstream_ready(self) -> None: ...

    def on_destroy(self) -> None:
        assert not self.over
        self.over = True

    def go_on(self, late: bool = False) -> None:
        while self.script and not self.over and (late or self.script[0] != "late"):
            self.step(self.script.pop(0))
            if not (late or self.at_once):
                return

    def step(self, name: str) -> None:
        stream = self.stream
        if name == "inform":
            stream.encode_informational(ResponseHeaders(103))
        elif name == "head":
            stream.encode_headers(ResponseHeaders(200), False)
        elif name == "whole":
            stream.encode_whole(ResponseHeaders(200), b"whole")
        elif name == "body":
            stream.encode_data(b"piece", False)
        elif name == "end":
            stream.encode_data(b"", True)
        elif name == "trailers":
            stream.encode_trailers(HeaderMap([(b"sum", b"1")]))
        elif name == "reply":
            stream.local_reply(503, b"no", details="test")
        elif name == "reset":
            stream.reset("test")
        elif name == "pause":
            stream.pause_decoding()
        elif name == "resume":
            stream.resume_decoding()


REQUESTS = frames_of([wire.request_block(method=b"POST"), wire.request_block((b"expect", b"100-continue"), method=b"POST")])


@given(REQUESTS, ANSWERS, st.booleans(), st.booleans())
@fuzzed(200)
def test_what_is_answered_in_the_middle_of_a_read_breaks_nothing(
    frames: bytes, script: list[str], at_once: bool, informs: bool
) -> None:
    terminal = Answering(script, at_once)
    entries = (HttpFilterEntry("answering", terminal),)
    engine = Engine(settings={"http_filters": entries, "proxy_100_continue": informs})
    client = engine.connect()
    client.send(wire.PREFACE + wire.settings())
    client.send(frames)
    for stream in terminal.made:
        stream.go_on(late=True)
        engine.loop.run_soon()
    client.send_eof()
    engine.loop.advance(2)
    assert client.closed
    assert all(stream.over for stream in terminal.made)
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert engine.counter("http2.streams_active") == 0
    assert "server.internal_error" not in engine.stats.counters


# -- towards upstream

RESPONSES = frames_of([wire.block((b":status", b"200")), wire.block((b":status", b"103"))])
ACTIONS = st.lists(st.sampled_from(["data", "end", "trailers", "reset", "ask", "pause", "resume"]), max_size=6)


class Acting(Recorder):
    """Does something to its request whenever it hears of the response."""

    def __init__(self, hosts: H2Wire, actions: list[str], all_at_once: bool) -> None:
        super().__init__(head=post(), end_stream=False, whole=all_at_once, then=self._act)
        self._hosts = hosts
        self._actions = actions
        self._all_at_once = all_at_once
        self._request_ended = False
        self.more: list[Acting] = []
        self.was_reset = False

    @property
    def ends(self) -> int:
        """How often it heard that it is over."""
        return sum(event.startswith(("reset", "trailers", "whole", "failed")) or event.endswith("end") for event in self.events)

    def _act(self, event: str) -> None:
        if event == "ready":
            return
        for _ in range(len(self._actions) if self._all_at_once else 1):
            if self._actions:
                self._do(self._actions.pop(0))

    def _do(self, action: str) -> None:
        if action == "ask":  # a retry, in the middle of it all
            self.more.append(Acting(self._hosts, [], False))
            self.more[-1].pending = self._hosts.h2_pool.new_stream(self.more[-1])
        encoder = self.encoder
        if encoder is None or self.ends or self.was_reset:
            return
        if action == "reset":
            self.was_reset = True
            encoder.reset()
        elif action == "pause":
            encoder.pause_reading()
        elif action == "resume":
            encoder.resume_reading()
        elif not self._request_ended and action in ("data", "end"):
            self._request_ended = action == "end"
            encoder.encode_data(b"piece", self._request_ended)
        elif not self._request_ended and action == "trailers":
            self._request_ended = True
            encoder.encode_trailers(HeaderMap([(b"sum", b"1")]))


@given(RESPONSES, ACTIONS, ACTIONS, st.booleans())
@fuzzed(200)
def test_what_is_asked_in_the_middle_of_a_read_breaks_nothing(
    frames: bytes, first: list[str], second: list[str], all_at_once: bool
) -> None:
    hosts = H2Wire()
    requests = [Acting(hosts, list(first), all_at_once), Acting(hosts, list(second), all_at_once)]
    for request in requests:
        hosts.ask(request)
    hosts.peers[-1].accept().send(wire.settings())
    hosts.run()
    hosts.peers[-1].send(frames)
    hosts.run()
    for peer in hosts.peers:  # more of them where a request was made again
        if peer.dialling:
            peer.accept()
        hosts.run()
        if not peer.closed:
            peer.finish()
    for request in [*requests, *requests[0].more, *requests[1].more]:
        assert request.ends == (0 if request.was_reset else 1), (request.events, request.was_reset)
    assert hosts.counted().get("upstream_rq_active", 0) == 0
    assert hosts.counted().get("http2.streams_active", 0) == 0
