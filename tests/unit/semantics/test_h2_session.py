"""What we rely on of the protocol library, through the module that wraps it."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.semantics.h2_session import H2Session, SessionError
from tests.support import h2_frames as frames

REQUEST = [(b":method", b"POST"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"h.test")]


def pair(options: Http2Options = DEFAULT_HTTP2) -> tuple[H2Session, H2Session]:
    client = H2Session(DEFAULT_HTTP2, client=True, max_header_bytes=61440, max_header_count=100)
    server = H2Session(options, client=False, max_header_bytes=61440, max_header_count=100)
    carry(client, server)
    return client, server


def carry(one: H2Session, other: H2Session) -> tuple[list[Any], list[Any]]:
    """Bytes both ways until there are none.  Returns the events of each."""
    events: tuple[list[Any], list[Any]] = ([], [])
    moved = True
    while moved:
        moved = False
        for index, (sender, receiver) in enumerate(((other, one), (one, other))):
            output = sender.take_output()
            events[1 - index].extend(sender.events())
            if output:
                moved = True
                events[index].extend(receiver.receive(output))
    return events


def names(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_events_come_in_the_order_of_the_frames() -> None:
    client, server = pair()
    stream = client.send_request(REQUEST)
    client.send_data(stream, b"body")
    client.send_trailers(stream, [(b"a", b"b")])
    _, seen = carry(client, server)
    assert names(seen) == ["RequestReceived", "DataReceived", "TrailersReceived"]
    server.send_informational(stream, [(b":status", b"103")])
    server.send_response(stream, [(b":status", b"200")], end_stream=True)
    seen, closed = carry(client, server)
    assert names(seen) == ["InformationalResponseReceived", "ResponseReceived", "StreamClosed"]
    assert names(closed) == ["StreamClosed"]


def test_windows_are_given_back_by_acknowledge_only() -> None:
    client, server = pair(Http2Options(initial_stream_window_size=65535))
    stream = client.send_request(REQUEST)
    client.send_data(stream, b"x" * 100_000)
    _, seen = carry(client, server)
    assert sum(len(event.data) for event in seen[1:]) == 65535
    assert client.queued(stream) == 100_000 - 65535
    server.acknowledge(stream, 65535)
    carry(client, server)
    assert client.queued(stream) == 0


def test_a_reset_drops_what_was_kept() -> None:
    client, server = pair(Http2Options(initial_stream_window_size=65535))
    stream = client.send_request(REQUEST)
    client.send_data(stream, b"x" * 100_000)
    client.reset_stream(stream, h2_session.CANCEL)
    _, seen = carry(client, server)
    assert "DataReceived" not in names(seen)


def test_a_wrong_message_is_no_event_but_a_stream_closed_with_an_error() -> None:
    server = H2Session(DEFAULT_HTTP2, client=False, max_header_bytes=61440, max_header_count=100)
    head = frames.headers(1, frames.request_block((b"connection", b"close")))
    assert names(server.receive(frames.PREFACE + frames.settings() + head)) == ["SettingsReceived"]
    server.take_output()
    (closed,) = server.events()
    assert (type(closed), closed.stream_id, closed.error_code) == (h2_session.StreamClosed, 1, h2_session.PROTOCOL_ERROR)
    assert server.error == ""


def test_bytes_that_are_no_http2_break_the_session() -> None:
    server = H2Session(DEFAULT_HTTP2, client=False, max_header_bytes=61440, max_header_count=100)
    assert server.receive(b"GET / HTTP/1.1\r\nhost: h.test\r\n\r\n") == []
    assert server.error
    assert not server.wants_write
    assert server.take_output() == b""
    server.terminate(h2_session.PROTOCOL_ERROR)
    server.reset_stream(1, h2_session.CANCEL)


def test_what_is_sent_on_a_stream_that_is_gone_raises() -> None:
    client, server = pair()
    stream = client.send_request(REQUEST)
    carry(client, server)
    client.reset_stream(stream, h2_session.CANCEL)
    carry(client, server)
    with pytest.raises(SessionError):
        server.send_response(stream, [(b":status", b"200")])
    server.reset_stream(stream, h2_session.CANCEL)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_any_split_of_the_input_gives_the_same_events(size: int) -> None:
    client = H2Session(DEFAULT_HTTP2, client=True, max_header_bytes=61440, max_header_count=100)
    for number in range(3):
        stream = client.send_request([*REQUEST, (b"number", b"%d" % number)])
        client.send_data(stream, b"body", end_stream=True)
    sent = client.take_output()
    whole, split = (H2Session(DEFAULT_HTTP2, client=False, max_header_bytes=61440, max_header_count=100) for _ in range(2))
    expected = [repr(event) for event in whole.receive(sent)]
    found = [repr(event) for at in range(0, len(sent), size) for event in split.receive(sent[at : at + size])]
    if size > 4:
        assert found == expected
    assert [each for each in found if "Data" not in each] == [each for each in expected if "Data" not in each]


@pytest.mark.parametrize(("client", "first"), [(False, []), (True, [(2, 0)])])
def test_custom_settings_come_before_those_that_have_names(client: bool, first: list[tuple[int, int]]) -> None:
    options = Http2Options(custom_settings=((0x99, 1), (6, 1000), (3, 7)))
    session = H2Session(options, client=client, max_header_bytes=61440, max_header_count=100)
    output = session.take_output().removeprefix(frames.PREFACE)
    told = sent_settings(output)
    assert told[: len(first) + 2] == [*first, (0x99, 1), (6, 1000)]
    assert dict(told)[3] == DEFAULT_HTTP2.max_concurrent_streams  # as in Envoy: what is known by name counts


def sent_settings(output: bytes) -> list[tuple[int, int]]:
    """Identifiers and values of the SETTINGS frame that *output* begins with."""
    first = frames.split(output)[0]
    assert first.kind == frames.SETTINGS
    pairs = [first.payload[at : at + 6] for at in range(0, len(first.payload), 6)]
    return [(int.from_bytes(pair[:2], "big"), int.from_bytes(pair[2:], "big")) for pair in pairs]
