"""The upstream side on uvloop against a real nginx: bodies both ways, reuse, limits of the server, back-pressure."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dataplane.api.upstream import RequestEncoder
from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders
from dataplane.snapshot.cluster import Cluster, DiscoveryType, Endpoint, LoadAssignment, Locality, LocalityEndpoints
from dataplane.snapshot.snapshot import EMPTY, Holder, Snapshot
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.cluster_manager import ClusterManager
from tests.support.nginx import nginx
from tests.support.waiting import PATIENCE, wait_until_async

pytestmark = pytest.mark.e2e

SIZE = 16 << 20


class Answer:
    """One response, kept as its digest.  Implements api.upstream.ResponseReceiver."""

    def __init__(self, head: RequestHeaders, body: list[bytes] | None = None) -> None:
        self.head = head
        self.body = body or []
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.headers: ResponseHeaders | None = None
        self.digest = hashlib.sha256()
        self.size = 0
        self.blocked = 0
        self.ended = False
        self._writable = True
        self.encoder: RequestEncoder | None = None

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        return False

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        raise AssertionError("not wanted")

    def on_pool_ready(self, encoder: RequestEncoder, host: object, connection: object) -> None:
        self.encoder = encoder
        encoder.encode_headers(self.head, not self.body)
        self._send()

    def _send(self) -> None:
        assert self.encoder is not None
        while self._writable and self.body:
            piece = self.body.pop(0)
            self.encoder.encode_data(piece, not self.body)

    def on_write_blocked(self) -> None:
        self._writable = False
        self.blocked += 1

    def on_write_ready(self) -> None:
        self._writable = True
        self._send()

    def on_pool_failure(self, reason: object, details: str, host: object) -> None:
        self.done.set_result(f"failed {details}")

    def on_informational(self, headers: ResponseHeaders) -> None:
        pass

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.headers = headers
        if end_stream:
            self.done.set_result("ended")

    def on_data(self, data: bytes, end_stream: bool) -> None:
        self.digest.update(data)
        self.size += len(data)
        if end_stream:
            self.done.set_result("ended")

    def on_trailers(self, trailers: object) -> None:
        pass

    def on_reset(self, reason: object, details: str) -> None:
        self.done.set_result(f"reset {reason}")


class Client:
    """A live cluster of one nginx."""

    def __init__(self, port: int, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        self.stats = StatsStore()
        self.manager = ClusterManager(Holder(), self.stats, loop, DeadlineWheel(loop.time, loop.call_at))
        endpoint = Endpoint(SocketAddress("127.0.0.1", port))
        assignment = LoadAssignment("c", (LocalityEndpoints(Locality(), (endpoint,)),))
        config = Cluster("c", DiscoveryType.STATIC, assignment, **settings)
        self.manager.apply(EMPTY, Snapshot(1, {}, {}, {"c": config}, {}))

    @property
    def cluster(self) -> UpstreamCluster:
        found = self.manager.get("c")
        assert found is not None
        return found

    def start(self, path: bytes, body: list[bytes] | None = None, fields: list[tuple[bytes, bytes]] | None = None) -> Answer:
        method = b"PUT" if body else b"GET"
        answer = Answer(RequestHeaders(method, path, b"a.test", b"http", fields or []), body)
        self.cluster.open_stream(answer, None, 0)
        return answer

    async def ask(self, path: bytes, body: list[bytes] | None = None, fields: list[tuple[bytes, bytes]] | None = None) -> Answer:
        answer = self.start(path, body, fields)
        assert await asyncio.wait_for(answer.done, PATIENCE) == "ended"
        return answer

    def counter(self, name: str) -> int:
        return self.stats.counter(f"cluster.c.{name}").value


def run(port: int, test: Callable[[Client], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def body() -> None:
        client = Client(port, **settings)
        try:
            await test(client)
        finally:
            client.manager.stop()

    uvloop.run(body())


def content(size: int) -> bytes:
    return bytes(range(256)) * (size // 256)


def test_a_counted_body_arrives_whole_and_its_connection_is_used_again(tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        data = content(SIZE)
        (tmp_path / "www" / "big").write_bytes(data)

        async def test(client: Client) -> None:
            for _ in range(3):
                answer = await client.ask(b"/big")
                assert answer.size == SIZE
                assert answer.digest.digest() == hashlib.sha256(data).digest()
            assert client.counter("upstream_cx_total") == 1

        run(port, test)


def test_a_chunked_body_arrives_whole(tmp_path: Path) -> None:
    with nginx(tmp_path, "gzip on; gzip_types *; gzip_min_length 1;") as port:
        (tmp_path / "www" / "text").write_bytes(content(SIZE))

        async def test(client: Client) -> None:
            plain = await client.ask(b"/text")
            answer = await client.ask(b"/text", fields=[(b"accept-encoding", b"gzip")])
            assert answer.headers is not None
            assert answer.headers.get(b"transfer-encoding") == b"chunked"
            assert 0 < answer.size < plain.size
            assert client.counter("upstream_cx_total") == 1

        run(port, test)


@pytest.mark.parametrize("with_length", [True, False])
def test_an_upload_arrives_whole_and_waits_for_the_server(tmp_path: Path, with_length: bool) -> None:
    upload = "location /up/ { dav_methods PUT; create_full_put_path on; }"
    with nginx(tmp_path, upload) as port:
        pieces = [content(1 << 16)] * 512  # 32 MiB: more than the kernel holds
        total = sum(map(len, pieces))
        fields = [(b"content-length", b"%d" % total)] if with_length else []

        async def test(client: Client) -> None:
            answer = await client.ask(b"/up/file", list(pieces), fields)
            assert answer.headers is not None
            assert answer.headers.status == 201
            assert (tmp_path / "www" / "up" / "file").read_bytes() == b"".join(pieces)
            assert answer.blocked > 0
            assert (
                client.counter("upstream_flow_control_backed_up_total")
                == client.counter("upstream_flow_control_drained_total")
                > 0
            )

        run(port, test, per_connection_buffer_limit=1 << 16)


def test_a_server_that_ends_connections_costs_no_request(tmp_path: Path) -> None:
    with nginx(tmp_path, 'location / { return 200 "ok"; }', http="keepalive_requests 3;") as port:

        async def test(client: Client) -> None:
            for _ in range(10):
                await client.ask(b"/")
            assert client.counter("upstream_cx_total") == 4
            assert client.counter("upstream_cx_close_notify") == 3

        run(port, test)


def test_many_requests_at_once(tmp_path: Path) -> None:
    with nginx(tmp_path, 'location / { return 200 "ok"; }') as port:

        async def test(client: Client) -> None:
            answers = [client.start(b"/") for _ in range(200)]
            for answer in answers:
                assert await asyncio.wait_for(answer.done, PATIENCE) == "ended"
                assert answer.size == 2
            assert client.counter("upstream_rq_total") == 200
            assert client.stats.gauge("cluster.c.upstream_rq_active").value == 0
            assert client.stats.gauge("cluster.c.upstream_rq_pending_active").value == 0

        run(port, test)


def test_a_slow_reader_pauses_the_server(tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        (tmp_path / "www" / "big").write_bytes(content(64 << 20))
        (tmp_path / "www" / "small").write_bytes(b"x")

        async def test(client: Client) -> None:
            answer = client.start(b"/big")
            await wait_until_async(lambda: answer.size >= 1 << 16, "a part arrives")
            assert answer.encoder is not None
            answer.encoder.pause_reading()
            await asyncio.sleep(0)
            seen = answer.size
            await client.ask(b"/small")
            assert answer.size == seen < 64 << 20
            answer.encoder.resume_reading()
            assert await asyncio.wait_for(answer.done, PATIENCE) == "ended"
            assert answer.size == 64 << 20

        run(port, test)


class Impatient(Answer):
    """Gives up when the first bytes of the body are there."""

    def on_data(self, data: bytes, end_stream: bool) -> None:
        assert self.encoder is not None
        self.encoder.reset()
        super().on_data(data, True)


def test_a_reset_closes_the_connection_and_leaves_the_pool_usable(tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        (tmp_path / "www" / "big").write_bytes(content(SIZE))

        async def test(client: Client) -> None:
            given_up = Impatient(RequestHeaders(b"GET", b"/big", b"a.test"))
            client.cluster.open_stream(given_up, None, 0)
            assert await asyncio.wait_for(given_up.done, PATIENCE) == "ended"
            seen = given_up.size
            await client.ask(b"/big")
            assert given_up.size == seen < SIZE
            assert client.counter("upstream_cx_destroy_local_with_active_rq") == 1
            assert client.counter("upstream_cx_total") == 2

        run(port, test)


def test_nobody_listens() -> None:
    async def test(client: Client) -> None:
        answer = client.start(b"/")
        assert await asyncio.wait_for(answer.done, PATIENCE) == "failed delayed connect error: Connection refused"
        assert client.counter("upstream_cx_connect_fail") == 1

    run(1, test)


def test_a_connect_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A listening socket with a full backlog answers no further SYN."""
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []

        async def test(client: Client) -> None:
            answer = client.start(b"/")
            assert await asyncio.wait_for(answer.done, PATIENCE) == "failed "
            assert client.counter("upstream_cx_connect_timeout") == 1

        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
            run(port, test, connect_timeout=0.2)
        finally:
            for filler in fillers:
                filler.close()
