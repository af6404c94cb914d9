"""gRPC's own xDS client finds a server by name through our ADS, follows a change, and is told of nothing it did not ask for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from controlplane.base import type_url as urls
from tests.support import child_process, grpc_xds_caller
from tests.support.discovery_server import DiscoveryServer
from tests.support.waiting import wait_until
from tests.support.xds_resources import api_listener, eds_cluster, endpoints, rds_listener, routes

pytestmark = pytest.mark.e2e

NODE = "grpc-client"
SERVICE = "echo.example"


@contextmanager
def echo_server(name: str) -> Iterator[int]:
    """A gRPC server that answers every call with its name; yields its port."""
    _, service, method = grpc_xds_caller.METHOD.split("/")

    def say(request: bytes, _: grpc.ServicerContext) -> bytes:
        return f"{name} heard {request.decode()}".encode()

    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    handler = grpc.method_handlers_generic_handler(service, {method: grpc.unary_unary_rpc_method_handler(say)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class Caller:
    """The client process: one answer per question."""

    def __init__(self, xds_port: int, directory: Path) -> None:
        bootstrap = directory / "bootstrap.json"
        server = {
            "server_uri": f"127.0.0.1:{xds_port}",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        bootstrap.write_text(json.dumps({"xds_servers": [server], "node": {"id": NODE, "cluster": "clients"}}))
        # The proxy variables of the machine would send the loopback call elsewhere.
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        self._process = child_process.start(
            [sys.executable, grpc_xds_caller.__file__, f"xds:///{SERVICE}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "GRPC_XDS_BOOTSTRAP": str(bootstrap)},
        )

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def say(self, text: str) -> str:
        self.ask(text)
        return self.answer()

    def ask(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def configuration(cluster: str, port: int) -> list[Any]:
    """One service by name, and a listener and a cluster that are none of the client's business."""
    return [
        api_listener(SERVICE, "echo-routes"),
        routes("echo-routes", cluster, prefix=""),
        eds_cluster(cluster),
        endpoints(cluster, port),
        rds_listener("edge", "edge-routes"),
        eds_cluster("other"),
    ]


def test_a_grpc_client_finds_its_server_and_follows_a_change(tmp_path: Path) -> None:
    with DiscoveryServer() as server, echo_server("blue") as blue, echo_server("green") as green:
        server.publish(1, *configuration("echo-blue", blue))
        with Caller(server.port, tmp_path) as caller:
            assert caller.say("one") == "blue heard one"
            wait_until(lambda: server.ready(NODE, 1), "revision 1 acknowledged")
            proxy = server.proxy(NODE)
            assert proxy is not None
            assert {(status.type_url, status.names, status.wildcard) for status in proxy.types} == {
                (urls.LISTENER, 1, False),
                (urls.ROUTE_CONFIGURATION, 1, False),
                (urls.CLUSTER, 1, False),
                (urls.CLUSTER_LOAD_ASSIGNMENT, 1, False),
            }
            server.publish(2, *configuration("echo-green", green))
            wait_until(lambda: server.ready(NODE, 2), "revision 2 acknowledged")
            wait_until(lambda: caller.say("two") == "green heard two", "the new server is called")


def test_a_service_that_does_not_exist_yet_is_found_when_it_appears(tmp_path: Path) -> None:
    with DiscoveryServer() as server, echo_server("late") as port:
        server.publish(1, eds_cluster("other"))
        with Caller(server.port, tmp_path) as caller:
            caller.ask("early")
            wait_until(lambda: server.proxy(NODE), "the client is connected")
            server.publish(2, *configuration("echo-late", port))
            assert caller.answer() == "late heard early"
