"""Workloads of several trust domains, whose authorities are in one file that changes while the proxy runs."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair, client_context
from tests.support.subject import subject_process
from tests.support.tls_config import TLS, pem
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]


def move_into_place(path: Path, content: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.rename(path)


def bundle_map(**authorities: Authority) -> str:
    def key(authority: Authority) -> dict[str, Any]:
        der = ssl.PEM_cert_to_DER_cert(authority.certificate.decode())
        return {"kty": "EC", "use": "x509-svid", "x5c": [base64.b64encode(der).decode()]}

    domains = {f"{name}.test": {"spiffe_sequence": 1, "keys": [key(each)]} for name, each in authorities.items()}
    return json.dumps({"trust_domains": domains})


def listener(server: KeyPair, bundles: Path) -> dict[str, Any]:
    source = {"filename": str(bundles), "watched_directory": {"path": str(bundles.parent)}}
    validator = {
        "name": "envoy.tls.cert_validator.spiffe",
        "typed_config": {"@type": f"{TLS}SPIFFECertValidatorConfig", "trust_bundles": source},
    }
    common = {
        "tls_certificates": [{"certificate_chain": pem(server.certificate), "private_key": pem(server.private_key)}],
        "validation_context": {"custom_validator_config": validator},
    }
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common, "require_client_certificate": True}
    made = bootstraps.http_listener("edge", HELLO)
    made["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return made


def is_welcome(port: int, server: Authority, client: KeyPair) -> bool:
    context = client_context(server, client)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="a.test") as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
            return secure.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_bundles_follow_their_file(tmp_path: Path) -> None:
    edge, east, west = Authority("edge"), Authority("east"), Authority("west")
    of_east, of_west = east.sign("spiffe://east.test/one"), west.sign("spiffe://west.test/one")
    bundles = tmp_path / "bundles" / "map.json"
    bundles.parent.mkdir()
    bundles.write_text(bundle_map(east=east))
    proxy = subject_process(bootstraps.static([listener(edge.sign("a.test"), bundles)], []), tmp_path)
    proxy.start()
    try:
        port = proxy.wait_listeners(["edge"])["edge"]
        assert is_welcome(port, edge, of_east)
        assert not is_welcome(port, edge, of_west)

        move_into_place(bundles, bundle_map(east=east, west=west))
        wait_until(lambda: is_welcome(port, edge, of_west), "the second trust domain")
        failures = "listener.127.0.0.1_0.ssl.fail_verify_error"
        before = proxy.admin.stats(failures)[failures]
        for stranger in (
            west.sign("spiffe://east.test/one"),  # the authority of another domain
            edge.sign("spiffe://east.test/one"),  # one that nobody trusts
            east.sign("spiffe://north.test/one"),  # a domain that nobody knows
            east.sign("spiffe://east.test/one", expired=True),
        ):
            assert not is_welcome(port, edge, stranger)
        assert proxy.admin.stats(failures)[failures] == before + 4
        assert is_welcome(port, edge, of_east)
        shown = proxy.admin.get_json("/certs")["certificates"][0]["ca_cert"]
        assert len(shown) == 2

        move_into_place(bundles, '{"trust_domains": {"west.test": {}}}')
        wait_until(lambda: is_welcome(port, edge, of_west) and "No keys found in SPIFFE bundle" in proxy.log(), "the complaint")
        assert is_welcome(port, edge, of_east)
        move_into_place(bundles, bundle_map(west=west))
        wait_until(lambda: not is_welcome(port, edge, of_east), "the end of the first trust domain")
        assert is_welcome(port, edge, of_west)
    finally:
        proxy.stop()
