"""Tunnels live on while everything around them changes: WebSocket, CONNECT and TCP, opened before, during and after many updates.

Each update has a cluster of its own, other routes, and the other of two hosts; whatever was opened under an older one goes on where it is.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2  # noqa: F401  (registers the message for its Any)
from google.protobuf import json_format

from tests.support import bootstraps
from tests.support.hasty_server import HastyServer
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE, wait_until
from tests.support.xds_resources import ADS, ROUTER, eds_cluster, endpoints

pytestmark = pytest.mark.e2e

REVISIONS = 30
TALKS_PER_REVISION = 2
FILTERS = "type.googleapis.com/envoy.extensions.filters.network."
UPGRADE = b"GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"


class Host:
    """Grants upgrades, and says its name and what it heard."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    async def __aenter__(self) -> Host:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(GRANTED if data.startswith(b"GET") else self.name + b":" + data)
        writer.close()


class Talk:
    """One tunnel: it must always be the same host that answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._host = b""
        self._said = 0

    @classmethod
    async def open(cls, port: int, head: bytes) -> Talk:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if head:
            writer.write(head)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")), answer
        return cls(reader, writer)

    async def exchange(self) -> None:
        self._said += 1
        self._writer.write(b"%d\n" % self._said)
        host, _, said = (await asyncio.wait_for(self._reader.readuntil(b"\n"), PATIENCE)).partition(b":")
        assert said == b"%d\n" % self._said
        assert self._host in (b"", host)
        self._host = host

    def close(self) -> None:
        self._writer.close()


def listener(name: str, config: dict[str, Any]) -> Any:
    chain = {"filters": [{"name": name, "typed_config": config}]}
    return json_format.ParseDict(
        {"name": name, "address": bootstraps.address(), "filter_chains": [chain]}, listener_pb2.Listener()
    )


def resources(revision: int, hosts: list[Host]) -> list[Any]:
    cluster, host = f"cluster-{revision}", hosts[revision % len(hosts)]
    ends_here = {"cluster": cluster, "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}
    table = [
        {"match": {"connect_matcher": {}}, "route": ends_here},
        {"match": {"prefix": "/"}, "route": {"cluster": cluster}},
    ]
    manager = {
        "@type": FILTERS + "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "rds": {"route_config_name": "routes", "config_source": ADS},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [ROUTER],
    }
    hosts_of_routes = [{"name": "all", "domains": ["*"], "routes": table}]
    return [
        listener("web", manager),
        listener("tcp", {"@type": FILTERS + "tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": "steady"}),
        json_format.ParseDict({"name": "routes", "virtual_hosts": hosts_of_routes}, route_pb2.RouteConfiguration()),
        *(each for name in (cluster, "steady") for each in (eds_cluster(name), endpoints(name, host.port))),
    ]


async def open_all(ports: dict[str, int]) -> list[Talk]:
    return [
        await Talk.open(ports["web"], UPGRADE),
        await Talk.open(ports["web"], CONNECT),
        await Talk.open(ports["tcp"], b""),
    ]


def count(proxy: ProxyProcess, name: str) -> int:
    return sum(proxy.admin.stats(name).values())


async def nothing_is_left(proxy: ProxyProcess, files: int) -> None:
    def settled() -> bool:
        active = [
            r"^http\.web\.downstream_cx_upgrades_active$",
            r"^http\.web\.downstream_rq_active$",
            r"^cluster\.(cluster-.*|steady)\.upstream_(cx|rq)_active$",
        ]
        return not any(count(proxy, name) for name in active) and proxy.open_files() <= files

    await asyncio.to_thread(wait_until, settled, f"no connection, and no more than {files} open files")


async def churn(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(Host(name)) for name in (b"blue", b"green")]
        server = await stack.enter_async_context(HastyServer())
        await server.publish(resources(0, hosts))
        proxy = subject_process(bootstraps.ads(server.port, "tunnels", "GRPC"), directory)
        stack.callback(proxy.stop)
        await asyncio.to_thread(proxy.start)
        ports = await asyncio.to_thread(proxy.wait_listeners, ["web", "tcp"])
        files = proxy.open_files()
        talks = await open_all(ports)
        for revision in range(1, REVISIONS + 1):
            await server.publish(resources(revision, hosts))
            for _ in range(TALKS_PER_REVISION):
                await asyncio.gather(*(talk.exchange() for talk in talks))
            if revision % 3 == 0:
                talks += await open_all(ports)
        upgrades = await asyncio.to_thread(count, proxy, r"^http\.web\.downstream_cx_upgrades_active$")
        assert upgrades == len(talks) * 2 // 3
        await asyncio.gather(*(talk.exchange() for talk in talks))
        for talk in talks:
            talk.close()
        await nothing_is_left(proxy, files)
        assert not server.nacks


def test_tunnels_outlive_what_they_were_opened_under(tmp_path: Path) -> None:
    asyncio.run(churn(tmp_path))
