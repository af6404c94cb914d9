"""gRPC through a proxy: grpcio on both sides, ours in the middle, and Envoy as the measure of what the peers must see."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.grpc_peers import FAREWELL, GREETING, EchoClient, EchoServer
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

TIMEOUT = 60.0
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
LIMITED = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": 1}},
    }
}


@dataclass
class World:
    server: EchoServer
    client: EchoClient
    proxy: ProxyProcess


def bootstrap(port: int) -> dict[str, Any]:
    routes = [
        {"match": {"prefix": "/test.Missing/"}, "route": {"cluster": "absent"}},
        {"match": {"prefix": "/test.Refused/"}, "direct_response": {"status": 403, "body": {"inline_string": "no way"}}},
        {
            "match": {"prefix": "/test.Echo/Never", "headers": [{"name": "x-short"}]},
            "route": {"cluster": "up", "timeout": "0.2s"},
        },
        {
            "match": {"prefix": "/test.Echo/Unary", "headers": [{"name": "x-one"}]},
            "route": {"cluster": "one", "timeout": "0s"},
        },
        {"match": {"prefix": "/test.Echo/"}, "route": {"cluster": "up", "timeout": "0s"}},
    ]
    clusters = [
        bootstraps.static_cluster("up", port, typed_extension_protocol_options=HTTP2),
        bootstraps.static_cluster("one", port, typed_extension_protocol_options=LIMITED),
        bootstraps.static_cluster("absent", typed_extension_protocol_options=HTTP2),
    ]
    return bootstraps.static([bootstraps.http_listener("in", routes, codec_type="HTTP2")], clusters)


@pytest.fixture(scope="module", params=["ours", "envoy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    with EchoServer() as server:
        make = our_process if request.param == "ours" else envoy_process
        proxy = make(bootstrap(server.port), directory)
        proxy.start()
        try:
            with EchoClient(proxy.wait_listeners(["in"])["in"]) as client:
                yield World(server, client, proxy)
        finally:
            proxy.stop()


def test_unary_with_metadata_both_ways(world: World) -> None:
    answer, call = world.client.unary.with_call(b"ping", timeout=TIMEOUT, metadata=(("x-say", "hi"),))
    assert answer == b"ping"
    assert GREETING in list(call.initial_metadata())
    trailing = dict(call.trailing_metadata())
    assert trailing[FAREWELL[0]] == FAREWELL[1]
    assert trailing["x-said"] == "hi"


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_messages_of_any_size(world: World, size: int) -> None:
    message = bytes(range(256)) * (size // 256 + 1)
    assert world.client.unary(message[:size], timeout=TIMEOUT) == message[:size]


def test_an_error_keeps_its_code_and_its_message(world: World) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        world.client.fail(b"", timeout=TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "not “ready” yet"


def test_a_stream_of_answers(world: World) -> None:
    assert list(world.client.count(b"500", timeout=TIMEOUT)) == [b"%d" % number for number in range(500)]


def test_a_stream_of_requests(world: World) -> None:
    assert world.client.total(iter([b"x" * 10_000] * 200), timeout=TIMEOUT) == b"2000000"


def test_a_conversation_in_turns(world: World) -> None:
    """Each message waits for the answer to the one before: nothing is held back on the way."""
    requests: queue.Queue[bytes | None] = queue.Queue()
    answers = world.client.chat(iter(requests.get, None), timeout=TIMEOUT)
    for number in range(20):
        requests.put(b"turn %d" % number)
        assert next(answers) == (b"turn %d" % number)[::-1]
    requests.put(None)
    assert list(answers) == []


def test_many_calls_at_once_share_connections(world: World) -> None:
    world.server.peers.clear()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: world.client.unary(b"%d" % number, timeout=TIMEOUT), range(400)))
    assert answers == [b"%d" % number for number in range(400)]
    assert len(world.server.peers) <= 2


def test_the_limit_of_streams_opens_connections(world: World) -> None:
    one = (("x-one", "1"),)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: world.client.unary(b"%d" % number, timeout=TIMEOUT, metadata=one), range(40)))
    assert answers == [b"%d" % number for number in range(40)]


def test_a_given_up_call_is_given_up_upstream(world: World) -> None:
    world.server.cancelled.clear()
    world.server.waiting.clear()
    call = world.client.never.future(b"", timeout=TIMEOUT)
    assert world.server.waiting.wait(TIMEOUT)
    call.cancel()
    assert world.server.cancelled.wait(TIMEOUT)


def test_a_route_timeout_is_deadline_exceeded(world: World) -> None:
    world.server.cancelled.clear()
    with pytest.raises(grpc.RpcError) as caught:
        world.client.never(b"", timeout=TIMEOUT, metadata=(("x-short", "1"),))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "upstream request timeout"
    assert world.server.cancelled.wait(TIMEOUT)


@pytest.mark.parametrize(
    ("method", "code", "details"),
    [
        ("/test.Refused/Any", grpc.StatusCode.PERMISSION_DENIED, "no way"),
        ("/test.Missing/Any", grpc.StatusCode.UNAVAILABLE, "no healthy upstream"),
        ("/nowhere.At/All", grpc.StatusCode.UNIMPLEMENTED, ""),
    ],
)
def test_answers_of_the_proxy_are_grpc(world: World, method: str, code: grpc.StatusCode, details: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        world.client.channel.unary_unary(method)(b"", timeout=TIMEOUT)
    assert (caught.value.code(), caught.value.details()) == (code, details)


def test_streams_are_counted_as_http2(world: World) -> None:
    world.client.unary(b"", timeout=TIMEOUT)
    stats = wait_until(world.proxy.admin.stats, "stats")
    assert stats["http.in.downstream_cx_http2_total"] >= 1
    assert stats["http.in.downstream_rq_http2_total"] >= 1
    assert stats["cluster.up.upstream_cx_http2_total"] >= 1
    assert stats["http2.rx_messaging_error"] == 0
