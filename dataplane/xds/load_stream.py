"""The stream to a load reporting service: told which clusters it wants to hear of, it reports their loads, again and again.

Here: when a report is due, reconnection.  Not here: the connection (dialogue), what the loads are (LoadDelegate).
Envoy: LoadStatsReporterImpl; service.load_stats.v3.LoadReportingService.StreamLoadStats; stats load_reporter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from google.protobuf.message import DecodeError

from dataplane.base.errors import ConfigError
from dataplane.observe.stats import Scope
from dataplane.xds.dialogue import converse, ending
from dataplane.xds.grpc_channel import EOF, Call
from dataplane.xds.source import GrpcService

log = logging.getLogger("upstream")

METHOD: Final = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"

# Envoy's: always the same; the retry policy of the service says nothing here.
RETRY_DELAY: Final = 5.0

_FEATURE: Final = "envoy.lrs.supports_send_all_clusters"


class LoadDelegate(Protocol):
    """Who knows the loads."""

    async def take(self, wish: Any) -> float:
        """Follow the clusters that a LoadStatsResponse names, and no others.  Returns the seconds between two reports.

        Raises ConfigError; then everything stays as it was.
        """

    async def report(self) -> Sequence[Any]:
        """ClusterStats of all that is followed since the last call."""


class LoadStream:
    """Made and used inside one running event loop.  node: a serialized config.core.v3.Node."""

    def __init__(
        self, service: GrpcService, node: bytes, delegate: LoadDelegate, stats: Scope, retry_delay: float = RETRY_DELAY
    ) -> None:
        self._service = service
        self._node = Node.FromString(node)
        self._node.client_features.append(_FEATURE)
        self._delegate = delegate
        self._retry_delay = retry_delay
        self._requests = stats.counter("requests")
        self._responses = stats.counter("responses")
        self._errors = stats.counter("errors")
        self._retries = stats.counter("retries")
        self._interval: float | None = None  # None: no server has asked for anything; what one asked for outlives its stream
        self._asked = asyncio.Event()
        self._ended_well = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        assert self._task is None, "started twice"
        self._task = asyncio.create_task(self._run(), name="load reports")

    async def stop(self) -> None:
        """Close the stream for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        attempt = 0
        while True:
            self._ended_well = False
            reason = await converse(self._service, METHOD, attempt, self._talk)
            attempt += 1
            if not self._ended_well:
                self._errors.inc()
            log.warning("load reporting stream closed: %s; next try in %.3f s", reason, self._retry_delay)
            await asyncio.sleep(self._retry_delay)
            self._retries.inc()

    async def _talk(self, call: Call) -> str:
        self._asked.clear()
        await self._report(call)
        writing = asyncio.create_task(self._report_for_ever(call))
        try:
            while (body := await call.read()) is not EOF:
                await self._take(body)
            self._ended_well = await call.code() is grpc.StatusCode.OK
            return await ending(call)
        except DecodeError as error:
            return f"a response that is none: {error}"
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _take(self, body: bytes) -> None:
        self._requests.inc()
        try:
            self._interval = await self._delegate.take(LoadStatsResponse.FromString(body))
        except ConfigError as error:
            self._errors.inc()
            log.warning("request for load reports refused, what was asked for before still is: %s", error)
            return
        self._asked.set()

    async def _report_for_ever(self, call: Call) -> None:
        """A response begins the interval anew.  Ends with the stream: a write after its end raises."""
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), self._interval)
                self._asked.clear()
            except TimeoutError:
                await self._report(call)

    async def _report(self, call: Call) -> None:
        """The first message of a stream too: what happened while there was none."""
        stats = () if self._interval is None else await self._delegate.report()
        message: Any = LoadStatsRequest(node=self._node, cluster_stats=stats)
        await call.write(message.SerializeToString())
        self._responses.inc()
