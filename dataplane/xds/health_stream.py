"""The stream to a health discovery service: told what to check, it reports how well that is, again and again.

Here: when a report is due, reconnection.
Not here: the connection (dialogue), what a specifier means and what the hosts' health is (HealthDelegate).
Checks go on while the server is away; their results are reported once it is back and asks anew.
Envoy: HdsDelegate; service.health.v3.HealthDiscoveryService.StreamHealthCheck; stats hds_delegate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from envoy.config.core.v3.base_pb2 import Node
from envoy.service.health.v3.hds_pb2 import Capability, HealthCheckRequestOrEndpointHealthResponse

from dataplane.base.address import Address
from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.observe.stats import Scope
from dataplane.snapshot.cluster import HealthStatus, Locality
from dataplane.xds.address_message import write_address
from dataplane.xds.backoff import MAX_INTERVAL, Backoff
from dataplane.xds.dialogue import converse, ending
from dataplane.xds.grpc_channel import EOF, Call
from dataplane.xds.reporting_stream import ReportingStream
from dataplane.xds.source import GrpcService

log = logging.getLogger("upstream")

METHOD: Final = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck"

# Envoy's; the retry policy of the service says nothing here.
_BASE_INTERVAL: Final = 1.0

LocalityHealth = tuple[Locality, list[tuple[Address, HealthStatus]]]
ClusterHealth = tuple[str, list[LocalityHealth]]


class HealthDelegate(Protocol):
    """Who runs the checks."""

    def take(self, specifier: bytes) -> float:
        """Check what it says from now on, and nothing else.  Returns the seconds between two reports.

        Raises ConfigError or InvalidResource; then everything stays as it was.
        """

    def health(self) -> list[ClusterHealth]:
        """Of every endpoint that is to be checked, in the order in which they were named."""


class HealthStream(ReportingStream):
    """node: a serialized config.core.v3.Node.  jitter: draws a sample in [0, 1)."""

    def __init__(
        self, service: GrpcService, node: bytes, delegate: HealthDelegate, stats: Scope, jitter: Callable[[], float]
    ) -> None:
        super().__init__("health discovery")
        self._service = service
        self._node = node
        self._delegate = delegate
        self._jitter = jitter
        self._backoff = Backoff(_BASE_INTERVAL, MAX_INTERVAL)
        self._requests = stats.counter("requests")
        self._responses = stats.counter("responses")
        self._errors = stats.counter("errors")
        self._updates = stats.counter("updates")

    async def _run(self) -> None:
        attempt = 0
        while True:
            reason = await self._try_once(attempt)
            attempt += 1
            self._errors.inc()
            delay = self._backoff.next_delay(self._jitter())
            log.warning("health discovery stream closed: %s; next try in %.3f s", reason, delay)
            await asyncio.sleep(delay)

    async def _try_once(self, attempt: int) -> str:
        """Live through one stream.  Returns why it ended."""
        self._interval = None
        self._asked.clear()
        return await converse(self._service, METHOD, attempt, self._talk)

    async def _talk(self, call: Call) -> str:
        await call.write(self._request())
        self._responses.inc()
        async with self._reporting(call):
            while (body := await call.read()) is not EOF:
                self._take(body)
        return await ending(call)

    def _take(self, specifier: bytes) -> None:
        self._requests.inc()
        self._backoff.reset()
        try:
            interval = self._delegate.take(specifier)
        except (ConfigError, InvalidResource) as error:
            self._errors.inc()
            log.warning("health check specifier refused, what was checked before still is: %s", error)
            return
        self._updates.inc()
        self._begin_interval(interval)

    async def _report(self, call: Call) -> None:
        await call.write(report(self._delegate.health()))
        self._responses.inc()

    def _request(self) -> bytes:
        message: Any = HealthCheckRequestOrEndpointHealthResponse()
        request = message.health_check_request
        request.node.CopyFrom(Node.FromString(self._node))
        request.capability.health_check_protocols.extend((Capability.HTTP, Capability.TCP))
        return bytes(message.SerializeToString())


def report(clusters: list[ClusterHealth]) -> bytes:
    """Each endpoint by cluster and locality and, as Envoy still does, once more in one flat list."""
    message: Any = HealthCheckRequestOrEndpointHealthResponse()
    if clusters:
        response = message.endpoint_health_response
        for name, localities in clusters:
            of_cluster = response.cluster_endpoints_health.add(cluster_name=name)
            for locality, endpoints in localities:
                of_locality = of_cluster.locality_endpoints_health.add()
                place = of_locality.locality
                place.region, place.zone, place.sub_zone = locality.region, locality.zone, locality.sub_zone
                place.SetInParent()
                for address, status in endpoints:
                    health = of_locality.endpoints_health.add(health_status=int(status))
                    write_address(address, health.endpoint.address)
                response.endpoints_health.extend(of_locality.endpoints_health)
    return bytes(message.SerializeToString())
