"""A management server that does what a test tells it, over real gRPC.

Here: streams as conversations: `stream = await server.accept()`, `request = await stream.receive()`, `await stream.send(...)`.
Any method is served, so ADS and the per-type services need no code of their own.  Not here: what a correct server would answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from tests.support.waiting import PATIENCE

# No test waits longer than this for a message that should come.


def any_of(message: Any, type_url: str) -> AnyMessage:
    """A message packed under its own type URL; bytes under *type_url*."""
    if isinstance(message, bytes):
        return AnyMessage(type_url=type_url, value=message)
    packed = AnyMessage()
    packed.Pack(message, deterministic=True)
    return packed


@dataclass(slots=True)
class Stream:
    """The server's end of one stream."""

    method: str
    metadata: Mapping[str, str]
    _context: Any
    _requests: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    _closed: asyncio.Future[tuple[grpc.StatusCode, str]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def delta(self) -> bool:
        return "/Delta" in self.method

    async def receive(self) -> Any:
        """The next request, of whatever type."""
        return await asyncio.wait_for(self._requests.get(), PATIENCE)

    def pending(self) -> int:
        """Requests that came and were not received yet."""
        return self._requests.qsize()

    async def send_sotw(
        self, type_url: str, version_info: str, resources: Iterable[Any], nonce: str = "", control_plane: str = ""
    ) -> None:
        """Send messages (or their bytes) as a `DiscoveryResponse`; the nonce is the version unless given."""
        response = discovery_pb2.DiscoveryResponse(
            type_url=type_url,
            version_info=version_info,
            nonce=nonce or version_info,
            resources=[any_of(resource, type_url) for resource in resources],
        )
        response.control_plane.identifier = control_plane
        await self.send(response)

    async def send_delta(
        self,
        type_url: str,
        nonce: str,
        resources: Mapping[str, tuple[str, Any]],
        removed: Iterable[str] = (),
        control_plane: str = "",
    ) -> None:
        """Send a `DeltaDiscoveryResponse`.  resources: version and message by name; the system version is the nonce."""
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=type_url, nonce=nonce, system_version_info=nonce, removed_resources=removed
        )
        for name, (version, message) in resources.items():
            response.resources.add(name=name, version=version, resource=any_of(message, type_url))
        response.control_plane.identifier = control_plane
        await self.send(response)

    async def send(self, response: Any) -> None:
        await self.send_bytes(response.SerializeToString())

    async def send_bytes(self, message: bytes) -> None:
        await self._context.write(message)

    def close(self, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "") -> None:
        if not self._closed.done():
            self._closed.set_result((code, details))

    async def serve(self) -> None:
        """Collect requests until the test closes the stream or the client goes away."""
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reader, self._closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if self._closed.done():
            code, details = self._closed.result()
            if code is not grpc.StatusCode.OK:
                await self._context.abort(code, details)

    async def _read(self) -> None:
        kind = discovery_pb2.DeltaDiscoveryRequest if self.delta else discovery_pb2.DiscoveryRequest
        while (body := await self._context.read()) is not grpc.aio.EOF:
            self._requests.put_nowait(kind.FromString(body))


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, server: ManagementServer) -> None:
        self._server = server

    def service(self, handler_call_details: Any) -> Any:
        method, headers = handler_call_details.method, dict(handler_call_details.invocation_metadata)

        async def behaviour(_: Any, context: Any) -> None:
            await self._server.opened(Stream(method, headers, context))

        return grpc.stream_stream_rpc_method_handler(behaviour)


class ManagementServer:
    """Listens on a port of the kernel's choice, on a given one, or on a Unix socket."""

    def __init__(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        self._address = address
        self._credentials = credentials
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()
        self._server: Any = None
        self.port = 0

    async def start(self) -> ManagementServer:
        # Without SO_REUSEPORT a port that is taken is an error instead of a second server.
        self._server = grpc.aio.server(handlers=(_AnyMethod(self),), options=(("grpc.so_reuseport", 0),))
        if self._credentials is None:
            self.port = self._server.add_insecure_port(self._address)
        else:
            self.port = self._server.add_secure_port(self._address, self._credentials)
        await self._server.start()
        return self

    async def stop(self) -> None:
        """Gone at once, with every stream."""
        await self._server.stop(None)

    async def __aenter__(self) -> ManagementServer:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def accept(self) -> Stream:
        """The next stream that a client opened."""
        return await asyncio.wait_for(self._streams.get(), PATIENCE)

    async def opened(self, stream: Stream) -> None:
        self._streams.put_nowait(stream)
        await stream.serve()
