"""One xDS stream to a management server, kept open: dial, send what is due, hand over what comes, dial again.

Here: grpc.aio, the order of reading and writing, reconnection.  Not here: what is said (mux, sotw, delta), resources (client).
Responses are handed over one by one; the next is read when the last was dealt with, so a slow proxy slows its server down.
A lost server is only that: nothing that was accepted is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import grpc.aio

from dataplane.base.errors import ConfigError
from dataplane.xds.backoff import Backoff
from dataplane.xds.grpc_channel import EOF, Call, Connection, metadata, open_call
from dataplane.xds.messages import Response
from dataplane.xds.mux import Mux
from dataplane.xds.source import ApiSource
from dataplane.xds.wire import Codec

log = logging.getLogger("config")


class StreamEvents(Protocol):
    """Who owns the stream."""

    async def received(self, response: Response) -> None:
        """Deal with a response; the acknowledgement is sent from the mux afterwards."""

    def connected(self, peer: str) -> None:
        """The server was reached."""

    def disconnected(self, reason: str) -> None:
        """The stream ended or could not be opened.  Called once per try."""


class DiscoveryStream:
    """jitter: draws a sample in [0, 1)."""

    def __init__(
        self, source: ApiSource, method: str, mux: Mux, codec: Codec, events: StreamEvents, jitter: Callable[[], float]
    ) -> None:
        self.method = method
        self._source = source
        self._mux = mux
        self._codec = codec
        self._events = events
        self._jitter = jitter
        self._backoff = Backoff(source.service.backoff_base, source.service.backoff_max)
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        assert self._task is None, "started twice"
        self._task = asyncio.create_task(self._run(), name=f"xds {self.method}")

    async def stop(self) -> None:
        """Close the stream for good."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    def wake(self) -> None:
        """The mux may have a request to send."""
        self._due.set()

    async def _run(self) -> None:
        attempt = 0
        while True:
            reason = await self._try_once(attempt)
            attempt += 1
            delay = self._backoff.next_delay(self._jitter())
            log.warning("%s stream closed: %s; next try in %.3f s", self.method, reason, delay)
            self._events.disconnected(reason)
            await asyncio.sleep(delay)

    async def _try_once(self, attempt: int) -> str:
        """Live through one stream.  Returns why it ended."""
        try:
            connection = Connection(self._source.service, attempt)
        except ConfigError as error:
            return str(error)
        try:
            async with connection as channel:
                return await self._converse(channel, connection.peer)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {connection.failure or error.details()}"
        except ConfigError as error:
            return str(error)
        except Exception as error:
            log.exception("%s stream failed", self.method)
            return f"internal error: {error!r}"

    async def _converse(self, channel: grpc.aio.Channel, peer: str) -> str:
        call = open_call(channel, self.method, metadata(self._source.service))
        try:
            await call.wait_for_connection()
            self._events.connected(peer)
            self._mux.open()
            self._due.set()
            await self._until_either_ends(call)
            return f"{(await call.code()).name}: {await call.details()}"
        finally:
            call.cancel()

    async def _until_either_ends(self, call: Call) -> None:
        """Read and write side by side.  Raises what either raised, but for the end of the stream itself."""
        tasks = (asyncio.create_task(self._read(call)), asyncio.create_task(self._write(call)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            error = task.exception()
            # grpc.aio raises InvalidStateError for a write after the end.
            if error is not None and not (call.done() and isinstance(error, (grpc.aio.AioRpcError, asyncio.InvalidStateError))):
                raise error

    async def _read(self, call: Call) -> None:
        while (body := await call.read()) is not EOF:
            # Reached and willing: the next failure is a new one.
            self._backoff.reset()
            await self._events.received(self._codec.decode(body))

    async def _write(self, call: Call) -> None:
        with_node = True
        while True:
            await self._due.wait()
            self._due.clear()
            while (request := self._mux.next_request()) is not None:
                await call.write(self._codec.encode(request, with_node))
                with_node = not self._source.set_node_on_first_message_only
