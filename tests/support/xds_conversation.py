"""A management server and a client of it in one test: what is configured, said and expected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from envoy.config.core.v3 import base_pb2

from dataplane.base.address import SocketAddress
from dataplane.xds.source import ApiSource, EnvoyGrpc, GrpcService
from tests.support.management_server import ManagementServer
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

NODE = base_pb2.Node(id="proxy-1", cluster="edge")


def api(*ports: int, delta: bool = True, node_once: bool = False) -> ApiSource:
    endpoints = tuple(SocketAddress("127.0.0.1", port) for port in ports)
    return ApiSource(GrpcService(EnvoyGrpc("xds", endpoints)), delta, node_once)


async def converse(delta: bool, talk: Callable[[ManagementServer, Recorder], Awaitable[None]], node_once: bool = False) -> None:
    async with ManagementServer() as server:
        recorder = Recorder(api(server.port, delta=delta, node_once=node_once), NODE.SerializeToString())
        async with recorder:
            await talk(server, recorder)


def run(talk: Callable[[ManagementServer, Recorder], Awaitable[None]], *, delta: bool = True, node_once: bool = False) -> None:
    asyncio.run(converse(delta, talk, node_once))


def delta_of(*names: str, text: str = "x", version: str = "1") -> dict[str, tuple[str, bytes]]:
    return {name: (version, body(name, text)) for name in names}


def is_ack(request: Any, type_url: str, nonce: str) -> bool:
    return bool(request.type_url == type_url and request.response_nonce == nonce and not request.HasField("error_detail"))
