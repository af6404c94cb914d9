"""Secrets over gRPC: from a server of their own behind TLS, and on the aggregated stream of our control plane."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from tests.support import bootstraps
from tests.support.certificates import Authority
from tests.support.compiling import message
from tests.support.discovery_server import DiscoveryServer
from tests.support.proxy_process import ProxyProcess
from tests.support.secret_server import SecretServer
from tests.support.subject import subject_process
from tests.support.tls_config import pair, pem, tls_socket
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
OVER_ADS = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def listener(source: dict[str, Any]) -> dict[str, Any]:
    """Its certificate and the authority of its clients are secrets."""
    common = {
        "tls_certificate_sds_secret_configs": [{"name": "server", "sds_config": source}],
        "validation_context_sds_secret_config": {"name": "clients", "sds_config": source},
    }
    made = bootstraps.http_listener("edge", HELLO)
    made["filter_chains"][0]["transport_socket"] = tls_socket("Downstream", common, require_client_certificate=True)
    return made


@contextmanager
def running(bootstrap: dict[str, Any], directory: Path) -> Iterator[ProxyProcess]:
    """Started, and not waited for: a listener may wait for its secrets."""
    proxy = subject_process(bootstrap, directory)
    proxy.spawn()
    try:
        yield proxy
    finally:
        proxy.stop()


def is_waiting(proxy: ProxyProcess) -> bool:
    """What it waits for is in the test's hand, so it cannot have been ready before."""
    return proxy.admin.request("/ready").status == 503


class Client:
    """Connects with a certificate and looks at the server's."""

    def __init__(self, authority: Authority, directory: Path, signer: Authority | None = None) -> None:
        keys = (signer or authority).sign("client.test")
        file = directory / f"client-{id(self)}.pem"
        file.write_bytes(keys.certificate + keys.private_key)
        self._context = ssl.create_default_context(cadata=authority.certificate.decode())
        self._context.load_cert_chain(file)

    def server_name(self, port: int) -> str:
        """The last alternative name of the server, once it has answered a request: TLS 1.3 refuses a client after its handshake."""
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
            self._context.wrap_socket(plain, server_hostname="edge.test") as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nhost: edge.test\r\nconnection: close\r\n\r\n")
            if not secure.recv(65536):
                raise ConnectionError("closed without an answer")
            certificate = secure.getpeercert()
            assert certificate is not None
            return str(certificate["subjectAltName"][-1][1])


def refused(client: Client, port: int) -> bool:
    try:
        client.server_name(port)
    except OSError:
        return True
    return False


def test_a_server_of_its_own_behind_tls(tmp_path: Path) -> None:
    authority, strangers = Authority(), Authority("strangers")
    server_keys = authority.sign("sds.test")
    credentials = grpc.ssl_server_credentials(
        [(server_keys.private_key, server_keys.certificate)], authority.certificate, require_client_auth=True
    )
    validation = {
        "trusted_ca": pem(authority.certificate),
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "sds.test"}}],
    }
    # As Kuma writes it: what the management server is held against is a static secret.
    to_server = {
        "tls_certificates": [pair(authority.sign("proxy.test"))],
        "validation_context_sds_secret_config": {"name": "management"},
    }
    with SecretServer(credentials) as server:
        cluster = bootstraps.static_cluster("sds", server.port, typed_extension_protocol_options=HTTP2)
        cluster["transport_socket"] = tls_socket("Upstream", to_server, sni="sds.test")
        source = {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "sds"}}],
            },
            "resource_api_version": "V3",
            "initial_fetch_timeout": "0s",
        }
        bootstrap = bootstraps.static([listener(source)], [cluster])
        bootstrap["static_resources"]["secrets"] = [{"name": "management", "validation_context": validation}]
        with running(bootstrap, tmp_path) as proxy:
            wait_until(lambda: server.asked == {"server", "clients"}, "the questions")
            server.put("server", tls_certificate=pair(authority.sign("edge.test", "first.test")))
            wait_until(lambda: is_waiting(proxy), "the admin endpoint")
            server.put("clients", validation_context={"trusted_ca": pem(authority.certificate)})
            proxy.wait_ready()
            port = proxy.wait_listeners(["edge"])["edge"]
            client, stranger = Client(authority, tmp_path), Client(authority, tmp_path, strangers)
            assert client.server_name(port) == "first.test"
            assert refused(stranger, port)

            server.put("server", tls_certificate=pair(authority.sign("edge.test", "second.test")))
            wait_until(lambda: client.server_name(port) == "second.test", "the rotated certificate")
            mixed = {**pair(authority.sign("edge.test")), "private_key": pem(authority.sign("x.test").private_key)}
            server.put("server", tls_certificate=mixed)
            wait_until(lambda: server.refusals, "the refusal of a key that is not the certificate's")
            assert client.server_name(port) == "second.test"
            server.put("server", tls_certificate=pair(authority.sign("edge.test", "third.test")))
            server.put("clients", validation_context={"trusted_ca": pem(strangers.certificate)})
            wait_until(lambda: not refused(stranger, port), "the other authority")
            assert refused(client, port)


def secret(name: str, **content: Any) -> Any:
    return message(Secret.DESCRIPTOR.full_name, {"name": name, **content})


@pytest.mark.parametrize("api_type", ["DELTA_GRPC", "GRPC"])
def test_on_the_aggregated_stream_of_our_control_plane(api_type: str, tmp_path: Path) -> None:
    authority = Authority()
    edge = message("envoy.config.listener.v3.Listener", listener(OVER_ADS))
    clients = secret("clients", validation_context={"trusted_ca": pem(authority.certificate)})
    first, second = (
        secret("server", tls_certificate=pair(authority.sign("edge.test", name))) for name in ("first.test", "second.test")
    )
    with DiscoveryServer() as server:
        server.publish(1, edge, clients)
        with running(bootstraps.ads(server.port, "node", api_type), tmp_path) as proxy:
            wait_until(lambda: server.type_status("node", first_url()) is not None, "the question for secrets")
            if api_type == "DELTA_GRPC":  # the answer says that there is none, and so ends the waiting
                port = proxy.wait_listeners(["edge"])["edge"]
                wait_until(lambda: proxy.admin.ready(), "the end of the waiting")
                assert refused(Client(authority, tmp_path), port)
            else:
                wait_until(lambda: is_waiting(proxy), "the admin endpoint")
            server.publish(2, edge, clients, first)
            port = proxy.wait_listeners(["edge"])["edge"]
            client = Client(authority, tmp_path)
            wait_until(lambda: client.server_name(port) == "first.test", "the certificate")
            server.publish(3, edge, clients, second)
            wait_until(lambda: client.server_name(port) == "second.test", "the rotated certificate")
            server.publish(4, edge, clients)
            wait_until(lambda: server.ready("node", 4), "the revision without the certificate")
            assert client.server_name(port) == "second.test"


def first_url() -> str:
    return "type.googleapis.com/" + Secret.DESCRIPTOR.full_name


@pytest.mark.parametrize("watched", [False, True])
def test_files_that_a_secret_names_are_read_again_when_they_are_moved_into_place(watched: bool, tmp_path: Path) -> None:
    """Certificate and key one after the other: in between they do not fit, which is counted and harms nobody."""
    authority = Authority()
    files = tmp_path / "files"
    files.mkdir()

    def move(name: str, content: bytes) -> None:
        fresh = tmp_path / name
        fresh.write_bytes(content)
        fresh.rename(files / name)

    first, second = (authority.sign("edge.test", name) for name in ("first.test", "second.test"))
    move("cert.pem", first.certificate)
    move("key.pem", first.private_key)
    named = {
        "certificate_chain": {"filename": str(files / "cert.pem")},
        "private_key": {"filename": str(files / "key.pem")},
        **({"watched_directory": {"path": str(files)}} if watched else {}),
    }
    edge = message("envoy.config.listener.v3.Listener", listener(OVER_ADS))
    clients = secret("clients", validation_context={"trusted_ca": pem(authority.certificate)})
    with DiscoveryServer() as server:
        server.publish(1, edge, clients, secret("server", tls_certificate=named))
        with running(bootstraps.ads(server.port, "node"), tmp_path / "proxy") as proxy:
            proxy.wait_ready()
            port = proxy.wait_listeners(["edge"])["edge"]
            client = Client(authority, tmp_path)
            assert client.server_name(port) == "first.test"
            move("cert.pem", second.certificate)
            wait_until(lambda: rotations_failed(proxy), "the pair that does not fit")
            assert client.server_name(port) == "first.test"
            move("key.pem", second.private_key)
            wait_until(lambda: client.server_name(port) == "second.test", "the new pair")


def rotations_failed(proxy: ProxyProcess) -> int:
    return proxy.admin.stats("key_rotation_failed").get("sds.server.key_rotation_failed", 0)
