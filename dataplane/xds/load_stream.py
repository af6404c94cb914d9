"""The stream to a load reporting service: told which clusters it wants to hear of, it reports their loads, again and again.

Here: what is said, reconnection.  Not here: when a report is due (reporting_stream), the connection (dialogue), what the loads are
(LoadDelegate).
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
from dataplane.xds.reporting_stream import ReportingStream
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


class LoadStream(ReportingStream):
    """node: a serialized config.core.v3.Node."""

    def __init__(
        self, service: GrpcService, node: bytes, delegate: LoadDelegate, stats: Scope, retry_delay: float = RETRY_DELAY
    ) -> None:
        super().__init__("load reports")
        self._service = service
        self._node = Node.FromString(node)
        self._node.client_features.append(_FEATURE)
        self._delegate = delegate
        self._retry_delay = retry_delay
        self._requests = stats.counter("requests")
        self._responses = stats.counter("responses")
        self._errors = stats.counter("errors")
        self._retries = stats.counter("retries")
        self._ended_well = False

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
        """What a server asked for outlives its stream."""
        self._asked.clear()
        await self._report(call)
        try:
            async with self._reporting(call):
                while (body := await call.read()) is not EOF:
                    await self._take(body)
            self._ended_well = await call.code() is grpc.StatusCode.OK
            return await ending(call)
        except DecodeError as error:
            return f"a response that is none: {error}"

    async def _take(self, body: bytes) -> None:
        self._requests.inc()
        try:
            interval = await self._delegate.take(LoadStatsResponse.FromString(body))
        except ConfigError as error:
            self._errors.inc()
            log.warning("request for load reports refused, what was asked for before still is: %s", error)
            return
        self._begin_interval(interval)

    async def _report(self, call: Call) -> None:
        """The first message of a stream too: what happened while there was none."""
        stats = () if self._interval is None else await self._delegate.report()
        message: Any = LoadStatsRequest(node=self._node, cluster_stats=stats)
        await call.write(message.SerializeToString())
        self._responses.inc()
