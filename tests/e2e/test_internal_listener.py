"""Listeners without a socket: plain bytes, HTTP/1.1, HTTP/2 and TLS between two listeners of one process.

The same expectations hold for a real Envoy, where one is installed.
"""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import TcpUpstream, connect, read_to_end
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

TYPE = bootstraps.TYPE
PROCESSES = {"ours": our_process, "envoy": envoy_process}
EXTENSION = {
    "name": "envoy.bootstrap.internal_listener",
    "typed_config": {"@type": TYPE + "bootstrap.internal_listener.v3.InternalListener", "buffer_size_kb": 64},
}
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
BIG = bytes(range(256)) * (16 << 10)  # more than all buffers on the way together


def send_back(connection: socket.socket) -> None:
    """All that came, once the other side has ended."""
    received = b""
    while data := connection.recv(1 << 16):
        received += data
    connection.sendall(received)


def internal(listener: dict[str, Any]) -> dict[str, Any]:
    """The same without an address."""
    return {**{key: value for key, value in listener.items() if key != "address"}, "internal_listener": {}}


def internal_cluster(name: str, listener: str, **more: Any) -> dict[str, Any]:
    address = {"envoy_internal_address": {"server_listener_name": listener}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": endpoints}, **more}


def tcp_listener(name: str, cluster: str) -> dict[str, Any]:
    proxy = {"@type": TYPE + "filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": name, "cluster": cluster}
    chain = {"filters": [{"name": "tcp", "typed_config": proxy}]}
    return {"name": name, "address": bootstraps.address(), "filter_chains": [chain]}


def to(cluster: str) -> list[dict[str, Any]]:
    return [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]


def tls(side: str, common: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {"@type": f"{TYPE}transport_sockets.tls.v3.{side}TlsContext", "common_tls_context": common, **more}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def wrapped(transport_socket: dict[str, Any]) -> dict[str, Any]:
    config = {"@type": TYPE + "transport_sockets.internal_upstream.v3.InternalUpstreamTransport"}
    return {"name": "internal_upstream", "typed_config": {**config, "transport_socket": transport_socket}}


def secured(listener: dict[str, Any], keys: KeyPair) -> dict[str, Any]:
    pair = {"certificate_chain": keys.certificate, "private_key": keys.private_key}
    certificate = {field: {"inline_string": pem.decode()} for field, pem in pair.items()}
    listener["filter_chains"][0]["transport_socket"] = tls("Downstream", {"tls_certificates": [certificate]})
    return listener


def passing(listener: dict[str, Any], cluster: dict[str, Any], log: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata of the host and the cluster go along; the listener's log shows what arrived."""
    sources = [
        {"kind": {kind: {}}, "name": name} for kind, name in (("host", "place"), ("cluster", "place"), ("cluster", "owner"))
    ]
    socket = wrapped({"name": "raw", "typed_config": {"@type": TYPE + "transport_sockets.raw_buffer.v3.RawBuffer"}})
    socket["typed_config"]["passthrough_metadata"] = [*sources, {"kind": {"host": {}}, "name": "nowhere"}]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    endpoint["metadata"] = {"filter_metadata": {"place": {"zone": "of the host"}}}
    line = "%DYNAMIC_METADATA(place:zone)% %DYNAMIC_METADATA(owner:name)% %DYNAMIC_METADATA(nowhere)%\n"
    logger = {
        "@type": TYPE + "access_loggers.file.v3.FileAccessLog",
        "path": str(log),
        "log_format": {"text_format_source": {"inline_string": line}},
    }
    listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = [{"name": "file", "typed_config": logger}]
    of_cluster = {"filter_metadata": {"place": {"zone": "of the cluster"}, "owner": {"name": "team"}}}
    return listener, {**cluster, "transport_socket": socket, "metadata": of_cluster}


def bootstrap(origin_port: int, log: Path) -> dict[str, Any]:
    authority = Authority()
    trusted = {"validation_context": {"trusted_ca": {"inline_string": authority.certificate.decode()}}}
    to_secure = wrapped(tls("Upstream", trusted, sni="inner.test"))
    to_plain = wrapped({"name": "raw", "typed_config": {"@type": TYPE + "transport_sockets.raw_buffer.v3.RawBuffer"}})
    told, telling = passing(internal(tcp_listener("told", "origin")), internal_cluster("told", "told"), log)
    listeners = [
        tcp_listener("tells", "told"),
        told,
        tcp_listener("bytes", "relay"),
        internal(tcp_listener("relay", "origin")),
        bootstraps.http_listener("http1", to("inner1")),
        bootstraps.http_listener("http2", to("inner2")),
        internal(bootstraps.http_listener("inner", HELLO)),
        bootstraps.http_listener("https", to("secure")),
        internal(secured(bootstraps.http_listener("secure", HELLO), authority.sign("inner.test"))),
        tcp_listener("nobody", "nobody"),
    ]
    clusters = [
        telling,
        bootstraps.static_cluster("origin", origin_port),
        internal_cluster("relay", "relay", transport_socket=to_plain),
        internal_cluster("inner1", "inner"),
        internal_cluster("inner2", "inner", typed_extension_protocol_options=HTTP2),
        internal_cluster("secure", "secure", transport_socket=to_secure),
        internal_cluster("nobody", "nobody"),
    ]
    return {**bootstraps.static(listeners, clusters), "bootstrap_extensions": [EXTENSION]}


@pytest.fixture(scope="module", params=list(PROCESSES))
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    with TcpUpstream(send_back) as origin:
        directory: Path = tmp_path_factory.mktemp("internal")
        process = PROCESSES[request.param](bootstrap(origin.port, directory / "told.log"), directory)
        process.start()
        yield process
        process.kill()


def port(proxy: ProxyProcess, name: str) -> int:
    return proxy.wait_listeners([name])[name]


def test_bytes_pass_with_back_pressure_and_half_closes(proxy: ProxyProcess) -> None:
    with connect(port(proxy, "bytes")) as client:

        def send() -> None:
            client.sendall(BIG)
            client.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        received, end = read_to_end(client)
        sending.join()
    assert end == "fin"
    assert received == BIG


@pytest.mark.parametrize("name", ["http1", "http2", "https"])
def test_http_passes(proxy: ProxyProcess, name: str) -> None:
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port(proxy, name)}/", timeout=PATIENCE) as response:
            assert response.read() == b"hello"
    stats = proxy.admin.stats("^(listener.envoy_internal|cluster).*_cx_total$")
    cluster = {"http1": "inner1", "http2": "inner2", "https": "secure"}[name]
    assert stats[f"cluster.{cluster}.upstream_cx_total"] == 1
    assert stats["listener.envoy_internal_" + ("secure" if name == "https" else "inner") + ".downstream_cx_total"] >= 1


def test_metadata_goes_along(proxy: ProxyProcess) -> None:
    with connect(port(proxy, "tells")) as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"x", "fin")
    log = proxy.directory / "told.log"
    wait_until(lambda: log.exists() and log.read_text(), "a log line")
    assert log.read_text() == "of the cluster team -\n"  # the last of two sources
    assert proxy.admin.stats("internal_upstream")["cluster.told.internal_upstream.no_metadata"] == 1


def test_a_listener_that_is_not_there(proxy: ProxyProcess) -> None:
    with connect(port(proxy, "nobody")) as client:
        assert read_to_end(client) == (b"", "fin")
    assert proxy.admin.stats("^cluster.nobody")["cluster.nobody.upstream_cx_connect_fail"] == 1


def test_the_admin_endpoint_shows_them(proxy: ProxyProcess) -> None:
    assert "relay::envoy://relay/" in proxy.admin.get("/listeners").splitlines()
    assert "relay::envoy://relay/::cx_total" in proxy.admin.get("/clusters")
