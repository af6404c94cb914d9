"""ADS and the per-type discovery services on grpc.aio.

Here: streams as tasks, status codes, the clock.  Not here: what to send and when (delivery), listening and credentials (server).
Read delivery/FLOW.md next.

Responses leave as bytes that were put together in delivery: a message shared by a thousand streams is serialized once.
Each stream has one writer (the handler itself) and one reader (a task); a writer whose client does not read waits in `write`,
and nothing is queued for it meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from envoy.service.discovery.v3 import discovery_pb2

from controlplane.delivery.cache import Cache
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.fetch import fetch
from controlplane.delivery.hub import Hub
from controlplane.delivery.order import FOREVER
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.status import StreamKind
from controlplane.delivery.stream import LimitExceeded, XdsStream
from controlplane.xds.requests import InvalidRequest, delta_request, node_facts, sotw_request
from controlplane.xds.services import ADS, ADS_DELTA, ADS_STREAM, TYPE_SERVICES, TypeService

log = logging.getLogger("xds")

# For the server that these services are added to.  A SotW request lists every name with every ACK, and 10,000 names exceed gRPC's
# usual limit of 4 MiB.  Pings find clients whose connection is gone without a word; Envoy pings too, more often than gRPC's
# default allows.
SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

_EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it

Context = grpc.aio.ServicerContext[Any, bytes]


def add_xds_services(server: grpc.aio.Server, hub: Hub) -> None:
    """Serve the hub's configuration: ADS and every per-type service, SotW and delta, and unary fetch."""
    aggregated = {
        ADS_STREAM: _stream_method(hub, StreamKind.ADS_SOTW, ""),
        ADS_DELTA: _stream_method(hub, StreamKind.ADS_DELTA, ""),
    }
    handlers = [grpc.method_handlers_generic_handler(ADS, aggregated)]
    cache = Cache()
    for service in TYPE_SERVICES:
        handlers.append(grpc.method_handlers_generic_handler(service.name, _type_methods(hub, cache, service)))
    server.add_generic_rpc_handlers(tuple(handlers))


def _type_methods(hub: Hub, cache: Cache, service: TypeService) -> dict[str, grpc.RpcMethodHandler[Any, bytes]]:
    methods = {service.delta: _stream_method(hub, StreamKind.DELTA, service.type_url)}
    if service.stream:
        methods[service.stream] = _stream_method(hub, StreamKind.SOTW, service.type_url)
    if service.fetch:
        methods[service.fetch] = _fetch_method(hub, cache, service.type_url)
    return methods


def _stream_method(hub: Hub, kind: StreamKind, only_type: str) -> grpc.RpcMethodHandler[Any, bytes]:
    message = discovery_pb2.DeltaDiscoveryRequest if kind.is_delta else discovery_pb2.DiscoveryRequest

    async def serve(_: Any, context: Context) -> None:
        await _serve(hub, kind, only_type, context)

    return grpc.stream_stream_rpc_method_handler(serve, request_deserializer=message.FromString)


def _fetch_method(hub: Hub, cache: Cache, type_url: str) -> grpc.RpcMethodHandler[Any, bytes]:
    async def serve(message: Any, context: Context) -> bytes:
        try:
            node, request = node_facts(message), sotw_request(message, type_url)
        except InvalidRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        snapshot = hub.snapshot(node)
        if snapshot is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "nothing was published for this node yet")
        return fetch(snapshot.view(type_url), request, cache)

    return grpc.unary_unary_rpc_method_handler(serve, request_deserializer=discovery_pb2.DiscoveryRequest.FromString)


async def _serve(hub: Hub, kind: StreamKind, only_type: str, context: Context) -> None:
    """One stream from its first request to its end."""
    try:
        await _converse(hub, kind, only_type, context)
    except InvalidRequest as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except LimitExceeded as error:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))


async def _converse(hub: Hub, kind: StreamKind, only_type: str, context: Context) -> None:
    first = await context.read()
    if first is _EOF:
        return
    node, peer = node_facts(first), context.peer()
    read = delta_request if kind.is_delta else sotw_request
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    stream = hub.open_stream(node, peer, kind, news.set, loop.time())
    log.info("%s %s from %s: connected", node.node_id, kind.value, peer)
    try:
        stream.receive(read(first, only_type), loop.time(), hub.wall())
        reader = asyncio.create_task(_listen(hub, stream, context, lambda message: read(message, only_type)))
        reader.add_done_callback(lambda _: news.set())
        try:
            await _speak(hub, stream, context, news, reader)
        finally:
            reader.cancel()
    finally:
        hub.close_stream(stream)
        log.info("%s %s from %s: disconnected", node.node_id, kind.value, peer)


async def _listen(hub: Hub, stream: XdsStream, context: Context, read: Callable[[Any], SotwRequest | DeltaRequest]) -> None:
    """Take in requests until the client has no more."""
    loop = asyncio.get_running_loop()
    while (message := await context.read()) is not _EOF:
        stream.receive(read(message), loop.time(), hub.wall())


async def _speak(hub: Hub, stream: XdsStream, context: Context, news: asyncio.Event, reader: asyncio.Task[None]) -> None:
    """Send whatever is due, one message after another, until the reader ends; its errors are raised here.

    The stream's own task writes, and not the reader: gRPC cannot end a call while a message of it is being written.
    """
    loop = asyncio.get_running_loop()
    while not reader.done():
        news.clear()
        while (response := stream.next_response(loop.time(), hub.wall())) is not None:
            try:
                await context.write(response)
            except grpc.aio.BaseError as error:
                # The client is gone.  gRPC cannot end such a call in order, only as one that was cancelled, which it is.
                log.debug("%s: gone while it was written to: %s", stream.proxy.node.node_id, error)
                raise asyncio.CancelledError from error
        alarm = None if stream.wake_at == FOREVER else loop.call_at(stream.wake_at, news.set)
        await news.wait()
        if alarm is not None:
            alarm.cancel()
    reader.result()
