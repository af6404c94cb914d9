"""A SecretDiscoveryService of its own, over real gRPC: state of the world, one resource per response, TLS if a test wants it.

Not here: secrets over the aggregated stream (discovery_server).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc
from google.protobuf import json_format

TYPE_URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class SecretServer(sds_pb2_grpc.SecretDiscoveryServiceServicer):  # type: ignore[misc]  # generated code has no types
    """asked: names that some stream asked for.  refusals: error details of NACKs."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.asked: set[str] = set()
        self.refusals: list[str] = []
        self._secrets: dict[str, Any] = {}
        self._version = 0
        self._streams: dict[queue.SimpleQueue[Any], set[str]] = {}
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0),))
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(self, self._server)
        address = "127.0.0.1:0"
        self.port = (
            self._server.add_insecure_port(address) if credentials is None else self._server.add_secure_port(address, credentials)
        )

    def __enter__(self) -> SecretServer:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            for due in self._streams:
                due.put(None)
        self._server.stop(None).wait()

    def put(self, name: str, **secret: Any) -> None:
        """Serve it from now on, to those who asked already at once."""
        message = json_format.ParseDict({"name": name, **secret}, secret_pb2.Secret())
        with self._lock:
            self._version += 1
            self._secrets[name] = message
            for due, names in self._streams.items():
                if name in names:
                    due.put(self._response(message))

    def StreamSecrets(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        """What the generated base class calls."""
        due: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            self._streams[due] = set()
        context.add_callback(lambda: due.put(None))
        threading.Thread(target=self._listen, args=(request_iterator, due), daemon=True).start()
        while (response := due.get()) is not None:
            yield response
        with self._lock:
            del self._streams[due]

    def _listen(self, requests: Iterator[Any], due: queue.SimpleQueue[Any]) -> None:
        try:
            for request in requests:
                self._heard(request, due)
        except grpc.RpcError:
            pass  # the proxy went away
        except Exception as error:
            if str(error):  # the end of a stream that was cancelled comes as an exception without a text
                raise

    def _heard(self, request: Any, due: queue.SimpleQueue[Any]) -> None:
        with self._lock:
            if request.HasField("error_detail"):
                self.refusals.append(request.error_detail.message)
            fresh = set(request.resource_names) - self._streams[due]
            self._streams[due] |= fresh
            self.asked |= fresh
            for name in fresh & self._secrets.keys():
                due.put(self._response(self._secrets[name]))

    def _response(self, secret: Any) -> Any:
        response = discovery_pb2.DiscoveryResponse(version_info=str(self._version), nonce=str(self._version), type_url=TYPE_URL)
        response.resources.add().Pack(secret)
        return response
