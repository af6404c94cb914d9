"""TLS towards upstreams whose name or protocol only the request, or the handshake, tells."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair, server_context
from tests.support.nginx import nginx
from tests.support.origin import Origin, in_a_thread
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TO_ORIGIN = [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]


class NamedOrigin(Origin):
    """Behind TLS; remembers which names were asked for."""

    def __init__(self, keys: KeyPair) -> None:
        super().__init__("origin")
        self.asked: list[str | None] = []
        self._context = server_context(keys)
        self._context.sni_callback = lambda connection, name, context: self.asked.append(name)

    async def __aenter__(self) -> Origin:
        server = await asyncio.get_running_loop().create_server(self.connection, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server
        return self


def cluster(port: int, authority: Authority, options: dict[str, Any], **context: Any) -> dict[str, Any]:
    trusted = {"trusted_ca": {"inline_string": authority.certificate.decode()}}
    made = bootstraps.static_cluster("origin", port)
    made["typed_extension_protocol_options"] = {OPTIONS: {"@type": f"type.googleapis.com/{OPTIONS}", **options}}
    made["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": bootstraps.TYPE + "transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"validation_context": trusted},
            **context,
        },
    }
    return made


@contextmanager
def running(cluster: dict[str, Any], directory: Path) -> Iterator[int]:
    listener = bootstraps.http_listener("edge", TO_ORIGIN)
    proxy = subject_process(bootstraps.static([listener], [cluster]), directory)
    proxy.start()
    try:
        yield proxy.wait_listeners(["edge"])["edge"]
    finally:
        proxy.stop()


def status(port: int, host: str, *fields: str) -> int:
    return int(answer(port, host, *fields)[9:12])


def answer(port: int, host: str, *fields: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        head = "\r\n".join(("GET / HTTP/1.1", f"host: {host}", "connection: close", *fields))
        client.sendall(f"{head}\r\n\r\n".encode())
        received = b""
        while data := client.recv(65536):
            received += data
        return received


RAW = {"@type": bootstraps.TYPE + "transport_sockets.raw_buffer.v3.RawBuffer"}
NAMED = {"explicit_http_config": {"http_protocol_options": {}}}


def test_the_host_of_a_request_is_asked_for_and_has_to_be_in_the_certificate(tmp_path: Path) -> None:
    authority = Authority()
    options = {**NAMED, "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True}}
    origin = NamedOrigin(authority.sign("a.test", "*.b.test", "127.0.0.1"))
    with in_a_thread(origin), running(cluster(origin.port, authority, options, sni="configured.test"), tmp_path) as port:
        assert status(port, "a.test:8080") == 200
        assert status(port, "x.b.test") == 200
        assert status(port, "x.b.test") == 200
        assert status(port, "c.test") == 503
        assert status(port, "127.0.0.1") == 200
        assert status(port, "127.0.0.2:1") == 503
    # A pool for each name: the second request for x.b.test finds its connection.  An address is never asked for.
    assert origin.asked == ["a.test", "x.b.test", "c.test", "configured.test", "configured.test"]


def test_a_header_may_name_the_server(tmp_path: Path) -> None:
    authority = Authority()
    options = {**NAMED, "upstream_http_protocol_options": {"auto_sni": True, "override_auto_sni_header": "x-server"}}
    origin = NamedOrigin(authority.sign("whoever.test"))
    with in_a_thread(origin), running(cluster(origin.port, authority, options), tmp_path) as port:
        assert status(port, "a.test") == 200
        assert status(port, "a.test", "x-server: b.test:99") == 200
        assert status(port, "a.test", "x-server:") == 200
    assert origin.asked == ["a.test", "b.test"]


@pytest.mark.parametrize(("listen", "protocol"), [("ssl", "HTTP/1.1"), ("ssl http2", "HTTP/2.0")])
def test_the_handshake_decides_what_is_spoken(listen: str, protocol: str, tmp_path: Path) -> None:
    authority = Authority()
    keys = authority.sign("a.test")
    (tmp_path / "server.pem").write_bytes(keys.certificate)
    (tmp_path / "server.key").write_bytes(keys.private_key)
    pair = f"ssl_certificate {tmp_path}/server.pem; ssl_certificate_key {tmp_path}/server.key;"
    server = f"{pair} location / {{ add_header x-protocol $server_protocol; return 200 hello; }}"
    with (
        nginx(tmp_path, server, listen=listen) as upstream,
        running(cluster(upstream, authority, {"auto_config": {"http2_protocol_options": {}}}), tmp_path / "proxy") as port,
    ):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: answer(port, "a.test"), range(24)))
        assert all(received.startswith(b"HTTP/1.1 200") and received.endswith(b"hello") for received in answers)
        assert all(f"x-protocol: {protocol}\r\n".encode() in received for received in answers)


def test_a_handshake_that_fails_is_a_failure_to_connect(tmp_path: Path) -> None:
    origin = NamedOrigin(Authority("stranger").sign("a.test"))
    with in_a_thread(origin), running(cluster(origin.port, Authority(), {"auto_config": {}}), tmp_path) as port:
        received = answer(port, "a.test")
    assert received.startswith(b"HTTP/1.1 503")
    assert received.endswith(b"reset reason: remote connection failure")


def test_the_metadata_of_an_endpoint_choose_its_transport_socket(tmp_path: Path) -> None:
    """As meshes do it: TLS for those endpoints that are known to speak it, plain bytes for the others."""
    authority = Authority()
    secure, plain = NamedOrigin(authority.sign("a.test")), Origin("plain")
    with in_a_thread(secure), in_a_thread(plain):
        made = cluster(secure.port, authority, NAMED, sni="a.test")
        tls = made.pop("transport_socket")
        made["transport_socket_matches"] = [
            {"name": "tls", "match": {"tlsMode": "istio"}, "transport_socket": tls},
            {"name": "plain", "match": {}, "transport_socket": {"name": "raw", "typed_config": RAW}},
        ]
        (endpoints,) = made["load_assignment"]["endpoints"]
        known = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
        endpoints["lb_endpoints"][0]["metadata"] = known
        endpoints["lb_endpoints"].append({"endpoint": {"address": bootstraps.address(plain.port)}})
        with running(made, tmp_path) as port:
            bodies = {answer(port, "a.test").rpartition(b"\r\n\r\n")[2] for _ in range(8)}
    assert bodies == {b"origin", b"plain"}
    assert set(secure.asked) == {"a.test"}


def test_a_certificate_that_was_revoked_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority()
    good, revoked = authority.sign("a.test"), authority.sign("a.test")
    validation = {
        "trusted_ca": {"inline_string": authority.certificate.decode()},
        "crl": {"inline_string": authority.revoke(revoked).decode()},
    }
    for name, keys, expected in (("good", good, 200), ("revoked", revoked, 503)):
        origin = NamedOrigin(keys)
        with in_a_thread(origin):
            made = cluster(origin.port, authority, NAMED)
            made["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"] = validation
            with running(made, tmp_path / name) as port:
                assert status(port, "a.test") == expected


def test_an_other_name_may_be_what_is_looked_for(tmp_path: Path) -> None:
    authority = Authority()
    origin = NamedOrigin(authority.sign("a.test", "1.3.6.1.4.1.311.20.2.3=somebody@a.test"))
    trusted = {"inline_string": authority.certificate.decode()}
    with in_a_thread(origin):
        for wanted, expected in (("somebody@a.test", 200), ("else@a.test", 503)):
            matcher = {"san_type": "OTHER_NAME", "oid": "1.3.6.1.4.1.311.20.2.3", "matcher": {"exact": wanted}}
            made = cluster(origin.port, authority, NAMED)
            context = made["transport_socket"]["typed_config"]["common_tls_context"]
            context["validation_context"] = {"trusted_ca": trusted, "match_typed_subject_alt_names": [matcher]}
            with running(made, tmp_path / wanted) as port:
                assert status(port, "a.test") == expected
