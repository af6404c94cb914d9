"""What a listener's own access log learns of a connection that carries HTTP."""

from __future__ import annotations

from dataplane.observe import flags
from tests.support.engine import Client, Engine, LogLines, get


def logged() -> tuple[Engine, LogLines, Client]:
    log = LogLines()
    engine = Engine(listener_settings={"access_log": (log,)})
    return engine, log, engine.connect()


def test_bytes_of_all_exchanges_and_the_protocol() -> None:
    engine, log, client = logged()
    requests = [get(b"/1"), get(b"/2")]
    sent = 0
    for request in requests:
        client.send(request)
        engine.up.last.respond(200, b"ok")
        sent += len(client.take())
    client.send_eof()
    assert (log.last.bytes_received, log.last.bytes_sent) == (sum(map(len, requests)), sent)
    assert (log.last.protocol, log.last.response_flags, log.last.local_close_reason) == ("HTTP/1.1", 0, "")


def test_a_request_that_is_none_leaves_its_flag_and_no_protocol() -> None:
    engine, log, client = logged()
    client.send(b"nonsense\r\n\r\n")
    client.take()
    engine.loop.advance(2.0)
    assert (log.last.protocol, log.last.response_flags) == ("", flags.DOWNSTREAM_PROTOCOL_ERROR)
    assert log.last.local_close_reason == "triggered_delayed_close_timeout"


def test_who_asked_for_the_close() -> None:
    engine, log, client = logged()
    client.send(get(b"/", b"connection: close"))
    engine.up.last.respond(200, b"ok")
    client.take()
    assert log.last.local_close_reason == "deferred_close_on_drained_connection"
