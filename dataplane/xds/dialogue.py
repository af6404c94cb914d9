"""One life of a bidirectional stream to a service that is not ADS: dialled, talked on, closed.

Here: what every such stream needs.  Not here: what is said, when the next try follows (health_stream, load_stream).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc.aio

from dataplane.base.errors import ConfigError
from dataplane.xds.grpc_channel import Call, Connection, metadata, open_call
from dataplane.xds.source import GrpcService


async def converse(service: GrpcService, method: str, attempt: int, talk: Callable[[Call], Awaitable[str]]) -> str:
    """Open a stream and *talk* until it ends.  Returns why it ended: what *talk* says, or what kept the stream from living."""
    try:
        connection = Connection(service, attempt)
        async with connection as channel:
            call = open_call(channel, method, metadata(service))
            try:
                await call.wait_for_connection()
                return await talk(call)
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name}: {connection.failure or error.details()}"
            finally:
                call.cancel()
    except ConfigError as error:
        return str(error)


async def ending(call: Call) -> str:
    """How the server ended the stream."""
    return f"{(await call.code()).name}: {await call.details()}"
