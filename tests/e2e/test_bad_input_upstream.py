"""An upstream that breaks off at every byte of its answer: the client always gets an end, and the right one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE, wait_until_async

pytestmark = pytest.mark.e2e

NAME = "edge"
SIDE_BY_SIDE = 16

SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-a: b\r\n\r\n0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhello"


class Breaker(asyncio.Protocol):
    """Sends the part of an answer that the request's path asks for (`/<answer>/<bytes>/<fin|rst>`), then closes."""

    ANSWERS = {"sized": SIZED, "chunked": CHUNKED, "until-close": UNTIL_CLOSE}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" not in self._received:
            return
        _, answer, count, how = self._received.split(b" ")[1].decode().split("/")
        self._transport.write(self.ANSWERS[answer][: int(count)])
        if how == "fin":
            self._transport.close()
        else:
            # What was written reaches the proxy before the RST; a zero linger would throw it away on some kernels.
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.close()


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[ProxyProcess, int]]:
    server = await asyncio.get_running_loop().create_server(Breaker, "127.0.0.1", 0)
    cluster = bootstraps.static_cluster("up", server.sockets[0].getsockname()[1])
    listener = bootstraps.http_listener(NAME, [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}])
    proxy = subject_process(bootstraps.static([listener], [cluster]), directory)
    await asyncio.to_thread(proxy.start)
    try:
        yield proxy, (await asyncio.to_thread(proxy.wait_listeners, [NAME]))[NAME]
    finally:
        await asyncio.to_thread(proxy.stop)
        server.close()


async def ask(port: int, path: str) -> bytes:
    """Everything the proxy answers; it is asked to close, so the end is always an end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n".encode())
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def split(answer: bytes) -> tuple[int, bytes]:
    """Status and body, still framed as it came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def cut_everywhere(port: int, answer: str, how: str) -> dict[int, bytes]:
    """What the client got, by the number of bytes that the upstream sent."""
    turn = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(count: int) -> bytes:
        async with turn:
            return await ask(port, f"/{answer}/{count}/{how}")

    counts = range(len(Breaker.ANSWERS[answer]) + 1)
    return dict(zip(counts, await asyncio.gather(*(one(count) for count in counts)), strict=True))


async def nothing_left(proxy: ProxyProcess) -> None:
    gauges = [
        f"http.{NAME}.downstream_cx_active",
        f"http.{NAME}.downstream_rq_active",
        "cluster.up.upstream_cx_active",
        "cluster.up.upstream_rq_active",
    ]

    def idle() -> bool:
        stats = proxy.admin.stats()
        assert all(gauge in stats for gauge in gauges), f"missing: {set(gauges) - set(stats)}"
        return all(stats[gauge] == 0 for gauge in gauges)

    await wait_until_async(idle, f"all of {gauges} at 0")


def run_cuts(directory: Path, answer: str, how: str) -> dict[int, bytes]:
    async def run() -> dict[int, bytes]:
        async with running(directory) as (proxy, port):
            await cut_everywhere(port, answer, how)  # whatever is opened once is open after this
            await nothing_left(proxy)
            files = proxy.open_files()
            found = await cut_everywhere(port, answer, how)
            await nothing_left(proxy)
            await wait_until_async(lambda: proxy.open_files() <= files, "as many open files as before")
        return found

    return asyncio.run(run())


def head_end(answer: bytes) -> int:
    return answer.index(b"\r\n\r\n") + 4


def test_no_byte_at_all_is_a_terminated_connection(tmp_path: Path) -> None:
    status, body = split(run_cuts(tmp_path, "sized", "fin")[0])
    assert status == 503
    assert body.endswith(b"reset reason: connection termination")


def test_sized_answers_cut_short(tmp_path: Path) -> None:
    found = run_cuts(tmp_path, "sized", "fin")
    for count, answer in found.items():
        status, body = split(answer)
        if 0 < count < head_end(SIZED):
            assert status == 502, f"after {count} bytes: {answer!r}"
        elif count >= head_end(SIZED):
            # A body that is cut short shows as one: fewer bytes than the length the head promised.
            assert (status, body) == (200, SIZED[head_end(SIZED) : count])


def test_chunked_answers_cut_short(tmp_path: Path) -> None:
    found = run_cuts(tmp_path, "chunked", "fin")
    for count, answer in found.items():
        if not 0 < count < len(CHUNKED):
            continue
        status, body = split(answer)
        if count < head_end(CHUNKED):
            assert status == 502, f"after {count} bytes: {answer!r}"
        else:
            assert status == 200
            assert not body.endswith(b"0\r\n\r\n"), f"after {count} bytes the answer looks complete: {answer!r}"
    assert split(found[len(CHUNKED)])[1].endswith(b"0\r\n\r\n")


def test_answers_that_end_with_their_connection_are_complete_at_any_length(tmp_path: Path) -> None:
    for count, answer in run_cuts(tmp_path, "until-close", "fin").items():
        if count >= head_end(UNTIL_CLOSE):
            status, body = split(answer)
            assert status == 200
            assert body.endswith(b"0\r\n\r\n")


def test_resets_end_like_closes(tmp_path: Path) -> None:
    """How much of the answer survives a reset is the kernel's business; that there is an end, and an honest one, is ours."""
    for count, answer in run_cuts(tmp_path, "sized", "rst").items():
        if answer == b"reset":
            continue
        status, body = split(answer)
        assert status in (200, 502, 503), f"after {count} bytes: {answer!r}"
        if status == 200:
            assert SIZED[head_end(SIZED) :].startswith(body)
