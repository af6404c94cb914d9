"""A LoadReportingService that does what a test tells it, over real gRPC.

Here: what the proxy reported, and one sum of it all.  Not here: what the reports should say (the test).
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc
from envoy.service.load_stats.v3 import lrs_pb2_grpc
from google.protobuf import json_format

Sums = dict[tuple[str, ...], int]
"""Cluster, where in it, what → how many, over several reports; nothing that is zero."""


class LoadReportServer(lrs_pb2_grpc.LoadReportingServiceServicer):  # type: ignore[misc]  # generated code has no types
    """messages: all of all streams, in their order.  streams: how many there were."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.streams = 0
        self._open: set[queue.SimpleQueue[Any]] = set()
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        lrs_pb2_grpc.add_LoadReportingServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> LoadReportServer:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_streams()
        self._server.stop(None).wait()

    def StreamLoadStats(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        """What the generated base class calls."""
        due: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            self._open.add(due)
            self.streams += 1
        threading.Thread(target=self._collect, args=(request_iterator,), daemon=True).start()
        context.add_callback(lambda: due.put(None))
        while (response := due.get()) is not None:
            yield response
        with self._lock:
            self._open.discard(due)

    def _collect(self, messages: Iterator[Any]) -> None:
        try:
            for message in messages:
                self.messages.append(message)
        except grpc.RpcError:
            pass  # the proxy went away
        except Exception as error:
            if str(error):  # the end of a stream that was cancelled comes as an exception without a text
                raise

    def send(self, response: Any) -> None:
        """To the streams that are open."""
        with self._lock:
            for due in self._open:
                due.put(response)

    def end_streams(self) -> None:
        with self._lock:
            for due in self._open:
                due.put(None)

    @property
    def reported(self) -> Sums:
        return sums(self.messages)


def sums(messages: Iterable[Any]) -> Sums:
    """What is under way counts as often as it was reported, so it is left out."""
    found: Counter[tuple[str, ...]] = Counter()
    for cluster in (cluster for message in messages for cluster in message.cluster_stats):
        found[cluster.cluster_name, "dropped"] += cluster.total_dropped_requests
        for dropped in cluster.dropped_requests:
            found[cluster.cluster_name, "dropped", dropped.category] += dropped.dropped_count
        for locality in cluster.upstream_locality_stats:
            place = f"{locality.locality.zone}/{locality.priority}"
            _add(found, (cluster.cluster_name, place), locality)
            for endpoint in locality.upstream_endpoint_stats:
                port = endpoint.address.socket_address.port_value
                _add(found, (cluster.cluster_name, place, str(port)), endpoint)
    return dict(+found)


def _add(found: Counter[tuple[str, ...]], key: tuple[str, ...], stats: Any) -> None:
    found[*key, "succeeded"] += stats.total_successful_requests
    found[*key, "failed"] += stats.total_error_requests
    found[*key, "issued"] += stats.total_issued_requests


def shapes(messages: Iterable[Any]) -> set[tuple[str, ...]]:
    """Which fields the messages have set, by path."""
    return {path for message in messages for path in _paths(json_format.MessageToDict(message), ())}


def _paths(value: Any, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _paths(each, (*at, name))
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each, at)
    else:
        yield at
