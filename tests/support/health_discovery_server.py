"""A HealthDiscoveryService that does what a test tells it, over real gRPC.

Here: one stream at a time: what the proxy said first, the specifiers it is sent, the reports it sends.
Not here: what the reports should say (the test).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc
from envoy.service.health.v3 import hds_pb2_grpc

from tests.support.waiting import wait_until

Report = dict[tuple[str, int], int]
"""Cluster and port → health status."""


class HealthDiscoveryServer(hds_pb2_grpc.HealthDiscoveryServiceServicer):  # type: ignore[misc]  # generated code has no types
    """requests: the first message of every stream, reports: all others of all streams, each in their order."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.reports: list[Any] = []
        self._specifier: Any = None
        self._open: set[queue.SimpleQueue[Any]] = set()
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        hds_pb2_grpc.add_HealthDiscoveryServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> HealthDiscoveryServer:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_streams()
        self._server.stop(None).wait()

    def StreamHealthCheck(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        """What the generated base class calls."""
        due: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            self._open.add(due)
            if self._specifier is not None:
                due.put(self._specifier)
        threading.Thread(target=self._collect, args=(request_iterator,), daemon=True).start()
        context.add_callback(lambda: due.put(None))
        while (specifier := due.get()) is not None:
            yield specifier
        with self._lock:
            self._open.discard(due)

    def _collect(self, messages: Iterator[Any]) -> None:
        try:
            for message in messages:
                (self.requests if message.HasField("health_check_request") else self.reports).append(message)
        except grpc.RpcError:
            pass  # the proxy went away
        except Exception as error:
            if str(error):  # the end of a stream that was cancelled comes as an exception without a text
                raise

    def send(self, specifier: Any) -> None:
        """To the streams that are open, and first of all to those that come."""
        with self._lock:
            self._specifier = specifier
            for due in self._open:
                due.put(specifier)

    def end_streams(self) -> None:
        with self._lock:
            for due in self._open:
                due.put(None)

    def wait_exactly(self, report: Report) -> Any:
        """The first message that reports this."""

        def found() -> Any:
            return next((each for each in self.reports if flattened(each.endpoint_health_response) == report), None)

        return wait_until(found, f"the report {report}")

    def wait_report(self, condition: Callable[[Report], bool], what: str) -> Report:
        """The first report from now on that meets *condition*."""
        seen = len(self.reports)

        def found() -> Report:
            reports = (flattened(each.endpoint_health_response) for each in self.reports[seen:])
            return next((report for report in reports if condition(report)), {})

        return wait_until(found, what)


def flattened(response: Any) -> Report:
    return {
        (cluster.cluster_name, health.endpoint.address.socket_address.port_value): health.health_status
        for cluster in response.cluster_endpoints_health
        for locality in cluster.locality_endpoints_health
        for health in locality.endpoints_health
    }
