"""Load of several kinds at once: as much as goes, checked answer by answer, and clients that break off.

wrk and h2load fill the processor, where they are installed; our own connections look at every answer.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

from tests.support import h2_frames

_PAUSE = 0.05
_ABORT = struct.pack("ii", 1, 0)

# What a client may have sent when it goes away.
_BROKEN_OFF = (
    b"GET / HTTP/1.1\r\nhost: a.te",
    b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 10_000,
    b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n" * 10,
    b"GET /silent HTTP/1.1\r\nhost: a.test\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    h2_frames.PREFACE + h2_frames.settings() + b"\x00\x00\x10\x01\x05\x00\x00\x00\x01garbage",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


class RudeClients:
    """One after the other connects, says something and breaks off, some with a reset, without an answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._task: asyncio.Task[None] | None = None
        self.count = 0

    async def __aenter__(self) -> RudeClients:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        for said, with_reset in zip(itertools.cycle(_BROKEN_OFF), itertools.cycle((True, False, False)), strict=False):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(said)
                    await asyncio.sleep(_PAUSE)
                    if with_reset:
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                finally:
                    writer.close()
                self.count += 1


class Generator:
    """A load generator as a child process, started again whenever it ends."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Generator:
        if shutil.which(self._command[0]) is not None:
            self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def generators(clear: int, tls: int) -> list[Generator]:
    """Kept connections, new ones for each request, HTTP/2; all of them in clear and over TLS.  clear, tls: ports."""
    url, secure = f"http://127.0.0.1:{clear}/", f"https://127.0.0.1:{tls}/"
    return [
        Generator(["wrk", "-t", "1", "-c", "16", "-d", "7", url]),
        Generator(["wrk", "-t", "1", "-c", "4", "-d", "5", "-H", "connection: close", url]),
        Generator(["h2load", "-p", "h2c", "-c", "4", "-m", "10", "-D", "6", url]),
        Generator(["wrk", "-t", "1", "-c", "4", "-d", "7", secure]),
        Generator(["wrk", "-t", "1", "-c", "1", "-d", "5", "-H", "connection: close", secure]),
        Generator(["h2load", "-c", "2", "-m", "5", "-D", "6", secure]),
    ]
