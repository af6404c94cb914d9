"""HTTP filters in front of the router: order, stopping and going on, replies, limits."""

from __future__ import annotations

from dataplane.api.http_filter import CONTINUE, STOP, FilterStatus, StreamCallbacks
from dataplane.api.network_filter import ServerContext
from dataplane.http.config import HttpFilterEntry
from dataplane.http.filter_chain import FilterProgram
from dataplane.observe.stats import Scope
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
from tests.support.engine import Engine, get

POST = get(b"/", b"content-length: 6", method=b"POST")


class Recorder:
    """Writes down what it sees; stops where told."""

    def __init__(self, name: str, log: list[str], stop: str = "") -> None:
        self.name = name
        self.log = log
        self.stop = stop
        self.stream: StreamCallbacks | None = None

    def new_stream(self) -> Recorder:
        return self

    def _saw(self, what: str, stream: StreamCallbacks) -> FilterStatus:
        self.stream = stream
        self.log.append(f"{self.name} {what}")
        return STOP if self.stop == what.split(" ")[0] else CONTINUE

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        headers.add(b"x-seen", self.name.encode())
        return self._saw(f"decode_headers {end_stream}", stream)

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        headers.add(b"x-seen-" + self.name.encode(), b"1")
        return self._saw(f"encode_headers {end_stream}", stream)

    def on_destroy(self, stream: StreamCallbacks) -> None:
        self.log.append(f"{self.name} destroyed")


class BodyRecorder(Recorder):
    """Looks at bodies, too."""

    def decode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        self._saw(f"decode_data {data!r} {end_stream}", stream)
        return CONTINUE if end_stream or not self.stop else STOP

    def encode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        self._saw(f"encode_data {data!r} {end_stream}", stream)
        return CONTINUE if end_stream or not self.stop else STOP


class Replying:
    """Answers itself."""

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        return stream.local_reply(418, b"teapot", details="teapot", headers=((b"x-tea", b"1"),))


def test_decoding_goes_first_to_last_and_encoding_last_to_first() -> None:
    log: list[str] = []
    engine = Engine(filters=[Recorder("a", log), Recorder("b", log)])
    client = engine.connect()
    client.send(get())
    assert [value for name, value in engine.up.last.fields if name == b"x-seen"] == [b"a", b"b"]
    engine.up.last.respond()
    assert client.take_response()[0] == 200
    assert log == [
        "a decode_headers True",
        "b decode_headers True",
        "b encode_headers True",
        "a encode_headers True",
        "a destroyed",
        "b destroyed",
    ]


def test_a_disabled_filter_does_not_run() -> None:
    engine = Engine()
    entries = [HttpFilterEntry("off", Recorder("off", []), disabled=True)]
    assert FilterProgram.of(entries, engine.server, engine.stats.scope("http.test.")) is None


def test_a_filter_with_counters_is_bound_once_with_the_name_of_its_entry() -> None:
    class Counting:
        def bind(self, server: ServerContext, stats: Scope, name: str) -> Recorder:
            stats.counter("bound").inc()
            return Recorder(name, [])

    engine = Engine(filters=[Counting()])
    client = engine.connect()
    for _ in range(2):
        client.send(get())
        assert dict(engine.up.last.fields)[b"x-seen"] == b"filter-0"
        engine.up.last.respond()
    assert engine.counter("http.test.bound") == 1


def test_a_stopped_request_goes_on_with_the_body_that_came_meanwhile() -> None:
    log: list[str] = []
    stopping = Recorder("a", log, stop="decode_headers")
    engine = Engine(filters=[stopping, Recorder("b", log)])
    client = engine.connect()
    client.send(POST + b"abc")
    client.send(b"def")
    assert engine.up.exchanges == []
    assert stopping.stream is not None
    stopping.stream.continue_decoding()
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)
    assert log == ["a decode_headers False", "b decode_headers False"]


def test_a_filter_may_wait_for_the_whole_body() -> None:
    log: list[str] = []
    engine = Engine(filters=[BodyRecorder("a", log, stop="decode_headers"), BodyRecorder("b", log)])
    client = engine.connect()
    client.send(POST + b"abc")
    assert engine.up.exchanges == []
    client.send(b"def")
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)
    assert log == [
        "a decode_headers False",
        "a decode_data b'abc' False",
        "a decode_data b'def' True",
        "b decode_headers False",
        "b decode_data b'abcdef' True",
    ]


def test_body_pieces_pass_every_filter() -> None:
    log: list[str] = []
    engine = Engine(filters=[BodyRecorder("a", log), BodyRecorder("b", log)])
    client = engine.connect()
    client.send(POST + b"abc", b"def")
    assert [line for line in log if "data" in line] == [
        "a decode_data b'abc' False",
        "b decode_data b'abc' False",
        "a decode_data b'def' True",
        "b decode_data b'def' True",
    ]
    assert engine.up.last.body == b"abcdef"


def test_held_body_stops_again_at_the_next_filter_that_waits() -> None:
    log: list[str] = []
    first, second = Recorder("a", log, stop="decode_headers"), BodyRecorder("b", log, stop="decode_headers")
    engine = Engine(filters=[first, second])
    client = engine.connect()
    client.send(POST + b"abc")
    assert first.stream is not None
    first.stream.continue_decoding()
    assert log == ["a decode_headers False", "b decode_headers False", "b decode_data b'abc' False"]
    assert engine.up.exchanges == []
    client.send(b"def")
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)


class Metering:
    """Lets the headers pass and holds the body until told."""

    def __init__(self) -> None:
        self.stream: StreamCallbacks | None = None

    def new_stream(self) -> Metering:
        return self

    def decode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        self.stream = stream
        return STOP

    def encode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        self.stream = stream
        return STOP


def test_a_filter_may_hold_the_body_alone() -> None:
    metering = Metering()
    log: list[str] = []
    engine = Engine(filters=[metering, BodyRecorder("b", log)])
    client = engine.connect()
    client.send(POST + b"abcdef")
    assert engine.up.last.body == b""
    assert metering.stream is not None
    metering.stream.continue_decoding()
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)
    assert log == ["b decode_headers False", "b decode_data b'abcdef' True"]
    engine.up.last.respond(200, b"hello")
    assert client.take().endswith(b"\r\n\r\n")
    metering.stream.continue_encoding()
    assert client.take() == b"hello"


def test_a_body_over_the_limit_of_a_filter_that_wants_it_whole() -> None:
    engine = Engine(filters=[BodyRecorder("a", [], stop="decode_headers")], listener_settings={"per_connection_buffer_limit": 4})
    client = engine.connect()
    client.send(POST + b"abcde")
    status, _, body = client.take_response()
    assert (status, body) == (413, b"Payload Too Large")
    assert engine.log.last.response_code_details == "request_payload_too_large"
    assert engine.counter("http.test.downstream_rq_too_large") == 1


def test_a_body_over_the_limit_waits_for_a_filter_that_does_not_want_it() -> None:
    stopping = Recorder("a", [], stop="decode_headers")
    engine = Engine(filters=[stopping], listener_settings={"per_connection_buffer_limit": 4})
    client = engine.connect()
    client.send(POST + b"abcde")
    assert not client.transport.reading
    assert stopping.stream is not None
    stopping.stream.continue_decoding()
    assert client.transport.reading
    client.send(b"f")
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)


def test_a_filter_answers() -> None:
    log: list[str] = []
    engine = Engine(filters=[Recorder("a", log), Replying(), Recorder("c", log)])
    client = engine.connect()
    client.send(get())
    status, fields, body = client.take_response()
    assert (status, body, fields[b"x-tea"], fields[b"x-seen-a"]) == (418, b"teapot", b"1", b"1")
    assert engine.up.exchanges == []
    assert log == [
        "a decode_headers True",
        "c encode_headers False",
        "a encode_headers False",
        "a destroyed",
        "c destroyed",
    ]
    assert not client.closed


def test_a_stopped_response_goes_on_with_its_body() -> None:
    log: list[str] = []
    stopping = Recorder("a", log, stop="encode_headers")
    engine = Engine(filters=[stopping])
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(200, b"hello")
    assert client.take() == b""
    assert stopping.stream is not None
    stopping.stream.continue_encoding()
    assert client.take_response()[2] == b"hello"


def test_a_response_over_the_limit() -> None:
    engine = Engine(filters=[BodyRecorder("a", [], stop="encode_headers")], listener_settings={"per_connection_buffer_limit": 4})
    client = engine.connect()
    client.send(get())
    engine.up.last.receiver.on_headers(ResponseHeaders(200, []), False)
    engine.up.last.receiver.on_data(b"abcde", False)
    status, _, body = client.take_response()
    assert (status, body) == (500, b"Internal Server Error")
    assert engine.counter("http.test.rs_too_large") == 1
    assert engine.up.last.was_reset


def test_a_client_that_leaves_ends_a_stopped_request() -> None:
    log: list[str] = []
    stopping = Recorder("a", log, stop="decode_headers")
    engine = Engine(filters=[stopping])
    client = engine.connect()
    client.send(get())
    client.transport.close()
    assert log == ["a decode_headers True", "a destroyed"]
    assert stopping.stream is not None
    stopping.stream.continue_decoding()
    assert engine.up.exchanges == []


def test_trailers_pass_the_filters() -> None:
    from dataplane.semantics.h1_options import Http1Options

    seen: list[HeaderMap] = []

    class Trailers:
        def decode_trailers(self, trailers: HeaderMap, stream: StreamCallbacks) -> FilterStatus:
            seen.append(trailers)
            return CONTINUE

    engine = Engine(filters=[Trailers()], settings={"http1": Http1Options(enable_trailers=True)})
    client = engine.connect()
    client.send(get(b"/", b"transfer-encoding: chunked", method=b"POST") + b"1\r\na\r\n0\r\nx: 1\r\n\r\n")
    assert [trailers.fields for trailers in seen] == [[(b"x", b"1")]]
    assert engine.up.last.trailers is seen[0]


def test_a_filter_may_change_what_routing_looks_at() -> None:
    from tests.support.engine import route

    class Rerouting:
        def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
            headers.path = b"/other"
            stream.clear_route()
            return CONTINUE

    engine = Engine(routes=[route(b"/other", name="other"), route(b"/", name="first")], filters=[Rerouting()])
    engine.connect().send(get())
    engine.up.last.respond()
    assert engine.log.last.route_name == "other"
