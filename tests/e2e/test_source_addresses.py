"""Where upstream connections come from: `upstream_bind_config` of a cluster and of all clusters, for hosts of both versions of IP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process

pytestmark = pytest.mark.e2e

ANY = {"address": "127.0.0.6", "port_value": 0}
ANY_6 = {"address": "::1", "port_value": 0}
NO_OPTION = {"level": 1, "name": 9999, "int_value": 1, "state": "STATE_PREBIND"}
SEGMENTS = {"level": 6, "name": 2, "int_value": 700, "state": "STATE_PREBIND"}


def option(state: str) -> dict[str, Any]:
    return {"socket_options": [NO_OPTION | {"state": state}]}


@contextmanager
def origin(host: str) -> Iterator[int]:
    """Answers every connection with the address that it came from, and with the longest segment that it takes."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                accepted, peer = listening.accept()
                with accepted:
                    if not accepted.recv(65536):
                        continue
                    segment = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                    body = f"{peer[0]} {segment < 1000}".encode()
                    accepted.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            socket.create_connection((host, listening.getsockname()[1])).close()
            thread.join()


def cluster(name: str, host: str, port: int, bind: dict[str, Any] | None) -> dict[str, Any]:
    made = bootstraps.static_cluster(name, port)
    endpoint = made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"]["address"] = host
    return made if bind is None else made | {"upstream_bind_config": bind}


def answer(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(f"GET /{path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n".encode())
        received = b""
        while data := client.recv(65536):
            received += data
        return received.partition(b"\r\n\r\n")[2].decode()


FOUR = {"source_address": ANY}
BOTH = {**FOUR, "extra_source_addresses": [{"address": ANY_6}]}
OLD = {**FOUR, "additional_source_addresses": [ANY_6]}
WITH_ITS_OWN = {**FOUR, "extra_source_addresses": [{"address": ANY_6, "socket_options": {"socket_options": [SEGMENTS]}}]}

# By name: the binding, and what hosts of version 4 and 6 see.
SEEN: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "one": (FOUR, "127.0.0.6 False", "503 1"),
    "both": (BOTH, "127.0.0.6 False", "::1 False"),
    "both_as_before": (OLD, "127.0.0.6 False", "::1 False"),
    "options": ({"socket_options": [SEGMENTS]}, "127.0.0.1 True", "::1 True"),
    "options_of_its_own": (WITH_ITS_OWN | option("STATE_PREBIND"), "503 0", "::1 True"),
    "prebind": (option("STATE_PREBIND"), "503 0", "503 0"),
    "prebind_and_bound": (FOUR | option("STATE_PREBIND"), "503 0", "503 0"),
    "later_ones_are_not_set": (FOUR | option("STATE_BOUND"), "127.0.0.6 False", "503 1"),
    "nor_those_of_listeners": (option("STATE_LISTENING"), "127.0.0.1 False", "::1 False"),
    "nor_of_datagrams": ({"socket_options": [NO_OPTION | {"type": {"datagram": {}}}]}, "127.0.0.1 False", "::1 False"),
    "nothing": (None, "127.0.0.1 False", "::1 False"),
}

# The same where all clusters have BOTH and SEGMENTS unless they say something else.
SEEN_BESIDE_OTHERS: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "nothing": (None, "127.0.0.6 True", "::1 True"),
    "freebind": ({"freebind": True}, "127.0.0.1 True", "::1 True"),
    "one": (FOUR, "127.0.0.6 True", "503 1"),
    "options": (option("STATE_LISTENING"), "127.0.0.1 False", "::1 False"),
}


def seen_by(port: int, proxy: ProxyProcess, name: str) -> str:
    """What the host saw, or status and errors of binding."""
    body = answer(port, name)
    return f"503 {proxy.admin.stats(f'cluster.{name}.bind_errors')[f'cluster.{name}.bind_errors']}" if "failure" in body else body


@pytest.mark.parametrize(
    ("shared", "expected"), [(None, SEEN), (BOTH | {"socket_options": [SEGMENTS]}, SEEN_BESIDE_OTHERS)], ids=["own", "shared"]
)
def test_who_hosts_see(
    shared: dict[str, Any] | None, expected: dict[str, tuple[dict[str, Any] | None, str, str]], tmp_path: Path
) -> None:
    with ExitStack() as running:
        ports = {4: running.enter_context(origin("127.0.0.1")), 6: running.enter_context(origin("::1"))}
        hosts = {4: "127.0.0.1", 6: "::1"}
        clusters = [
            cluster(f"{name}_{version}", hosts[version], ports[version], bind)
            for name, (bind, *_) in expected.items()
            for version in hosts
        ]
        routes = [{"match": {"path": f"/{each['name']}"}, "route": {"cluster": each["name"]}} for each in clusters]
        bootstrap = bootstraps.static([bootstraps.http_listener("edge", routes)], clusters)
        if shared is not None:
            bootstrap["cluster_manager"] = {"upstream_bind_config": shared}
        proxy = subject_process(bootstrap, tmp_path)
        proxy.start()
        running.callback(proxy.stop)
        port = proxy.wait_listeners(["edge"])["edge"]
        for name, (_, *wanted) in expected.items():
            assert [seen_by(port, proxy, f"{name}_{version}") for version in hosts] == wanted, name
