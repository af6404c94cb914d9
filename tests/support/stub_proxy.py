"""The least of a proxy that the management API can see: an ADS stream that subscribes to everything and ACKs, or NACKs what it is told to.

What it holds is in `resources`, how often it was sent something in `responses`.  For correct model clients see `xds_model.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status

from controlplane.base.type_url import CLUSTER

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


class StubProxy:
    """One stream.  refuse: names of resources that it NACKs, whenever they are sent."""

    def __init__(self, node: dict[str, Any], types: Sequence[str]) -> None:
        self.node = ParseDict(node, base_pb2.Node())
        self.types = types
        self.refuse: set[str] = set()
        self.responses = 0
        self.resources: dict[str, dict[str, bytes]] = {type_url: {} for type_url in types}

    async def run(self, target: str) -> None:
        async with grpc.aio.insecure_channel(target) as channel:
            stream = channel.stream_stream(
                METHOD,
                request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
                response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
            )()
            for type_url in self.types:
                await stream.write(discovery_pb2.DiscoveryRequest(node=self.node, type_url=type_url))
            while (response := await stream.read()) is not grpc.aio.EOF:
                self.responses += 1
                await stream.write(self._answer(response))

    def _answer(self, response: Any) -> Any:
        found = {_name(each.value): each.value for each in response.resources}
        answer = discovery_pb2.DiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        refused = sorted(self.refuse & found.keys())
        if refused:
            answer.error_detail.CopyFrom(Status(code=3, message=f"cannot use {', '.join(refused)}"))
        else:
            answer.version_info = response.version_info
            self.resources[response.type_url] = found
        return answer


@asynccontextmanager
async def stub_proxy(target: str, node_id: str, types: Sequence[str] = (CLUSTER,), **node: Any) -> AsyncIterator[StubProxy]:
    """Connected while the block runs."""
    proxy = StubProxy({"id": node_id, **node}, types)
    task = asyncio.create_task(proxy.run(target))
    try:
        yield proxy
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _name(body: bytes) -> str:
    """Every resource of these tests is shorter than 128 bytes of name, which is its first field."""
    return body[2 : 2 + body[1]].decode()
