"""One try upstream: what it leaves behind when it is given up."""

from __future__ import annotations

import pytest

from dataplane.api.upstream import StreamReset
from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.routing.route import ForwardAction
from tests.support.engine import Client, Engine, get, route


def blocked_upload(**policy: object) -> tuple[Engine, Client]:
    """A request whose upstream takes no more of its body for now."""
    retries = RetryPolicy(retry_on=parse_retry_on("5xx,reset"), **policy)  # type: ignore[arg-type]  # names are the test's business
    engine = Engine(routes=[route(action=ForwardAction(cluster="up", retry_policy=retries))])
    client = engine.connect()
    client.send(get(b"/", b"content-length: 6", method=b"POST") + b"abc")
    engine.up.last.receiver.on_write_blocked()
    assert not client.transport.reading
    return engine, client


def finish_in_the_next_try(engine: Engine, client: Client) -> None:
    assert client.transport.reading
    engine.loop.advance(0.5)
    assert len(engine.up.exchanges) == 2
    client.send(b"def")
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)


def test_a_try_that_was_write_blocked_and_failed_lets_the_body_come_for_the_next() -> None:
    engine, client = blocked_upload()
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    finish_in_the_next_try(engine, client)


def test_a_try_that_was_write_blocked_and_answered_early_lets_the_body_come_for_the_next() -> None:
    engine, client = blocked_upload()
    engine.up.last.respond(503)
    finish_in_the_next_try(engine, client)


@pytest.mark.parametrize("times", [1, 2])
def test_a_try_says_once_that_it_is_blocked_whatever_its_connection_says(times: int) -> None:
    engine, client = blocked_upload()
    for _ in range(times):
        engine.up.last.receiver.on_write_ready()
    assert client.transport.reading
    engine.up.last.receiver.on_write_blocked()
    assert not client.transport.reading
    engine.up.last.receiver.on_write_ready()
    assert client.transport.reading
