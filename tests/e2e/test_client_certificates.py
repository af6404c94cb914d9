"""What upstreams are told of client certificates, in Envoy's form: x-forwarded-client-cert in every mode, with and without a certificate."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair, client_context
from tests.support.subject import subject_process
from tests.support.tls_config import TLS, pem
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e

MODES = ("SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY")
TOLD = "By=spiffe://before;Hash=00"


def listener(mode: str, server: KeyPair, authority: Authority) -> dict[str, Any]:
    """Answers with what it would tell an upstream.  A certificate is asked for, and not required."""
    told = {"header": {"key": "x-told", "value": "%REQ(x-forwarded-client-cert)%"}}
    direct = {"status": 200, "body": {"inline_string": "x"}}
    routes = [{"match": {"prefix": "/"}, "direct_response": direct, "response_headers_to_add": [told]}]
    details = {"subject": True, "cert": True, "chain": True, "dns": True, "uri": True}
    made = bootstraps.http_listener(mode, routes, forward_client_cert_details=mode, set_current_client_cert_details=details)
    common = {
        "tls_certificates": [{"certificate_chain": pem(server.certificate), "private_key": pem(server.private_key)}],
        "validation_context": {"trusted_ca": pem(authority.certificate)},
    }
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common}
    made["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return made


def told(port: int, context: ssl.SSLContext, *fields: str) -> str:
    """The header as the upstream would see it, "" for none."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="a.test") as secure,
    ):
        head = "\r\n".join(("GET / HTTP/1.1", "host: a.test", "connection: close", *fields))
        secure.sendall(f"{head}\r\n\r\n".encode())
        answer = b""
        while data := secure.recv(65536):
            answer += data
    found = [line.partition(": ")[2] for line in answer.decode().split("\r\n") if line.startswith("x-told: ")]
    return found[0] if found else ""


def own_element(client: KeyPair, authority: Authority) -> str:
    """What is told of *client*, who sends the certificate of its authority as well, where everything is told."""
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(client.certificate.decode())).hexdigest()
    encoded = urllib.parse.quote(client.certificate.decode(), safe="")
    chain = encoded + urllib.parse.quote(authority.certificate.decode(), safe="")
    names = 'Subject="CN=spiffe://them/one";URI=spiffe://them/one;DNS=one.test;DNS=two.test'
    return f'By=spiffe://us;Hash={fingerprint};Cert="{encoded}";Chain="{chain}";{names}'


def test_every_mode(tmp_path: Path) -> None:
    authority = Authority()
    server = authority.sign("a.test", "spiffe://us")
    client = authority.sign("spiffe://them/one", "one.test", "two.test")
    listeners = [listener(mode, server, authority) for mode in MODES]
    proxy = subject_process(bootstraps.static(listeners, []), tmp_path)
    proxy.start()
    try:
        ports = proxy.wait_listeners(MODES)
        known, unknown = client_context(authority, client), client_context(authority, None)
        field = f"x-forwarded-client-cert: {TOLD}"
        own = own_element(client, authority)
        assert {mode: told(ports[mode], known, field) for mode in MODES} == {
            "SANITIZE": "",
            "FORWARD_ONLY": TOLD,
            "APPEND_FORWARD": f"{TOLD},{own}",
            "SANITIZE_SET": own,
            "ALWAYS_FORWARD_ONLY": TOLD,
        }
        assert {mode: told(ports[mode], known) for mode in MODES} == {
            "SANITIZE": "",
            "FORWARD_ONLY": "",
            "APPEND_FORWARD": own,
            "SANITIZE_SET": own,
            "ALWAYS_FORWARD_ONLY": "",
        }
        assert {mode: told(ports[mode], unknown, field) for mode in MODES} == {
            "SANITIZE": "",
            "FORWARD_ONLY": "",
            "APPEND_FORWARD": "",
            "SANITIZE_SET": "",
            "ALWAYS_FORWARD_ONLY": TOLD,
        }
    finally:
        proxy.stop()


def test_pins_without_an_authority(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is as good as any, if it is one of those that are named."""
    authority, strangers = Authority(), Authority("strangers")
    known, unknown = strangers.sign("one.test"), strangers.sign("one.test")
    made = listener("SANITIZE_SET", authority.sign("a.test"), authority)
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(known.certificate.decode())).hexdigest()
    context = made["filter_chains"][0]["transport_socket"]["typed_config"]
    context["common_tls_context"]["validation_context"] = {"verify_certificate_hash": [fingerprint]}
    proxy = subject_process(bootstraps.static([made], []), tmp_path)
    proxy.start()
    try:
        port = proxy.wait_listeners(["SANITIZE_SET"])["SANITIZE_SET"]
        for _ in range(2):
            assert f"Hash={fingerprint}" in told(port, client_context(authority, known))
        for stranger in (unknown, None):
            with contextlib.suppress(OSError):  # with an alert, or with a connection that ends
                assert told(port, client_context(authority, stranger)) == ""
        counted = proxy.admin.stats("ssl.fail_verify")
        assert {name.rpartition(".")[2]: count for name, count in counted.items() if count} == {
            "fail_verify_cert_hash": 1,
            "fail_verify_no_cert": 1,
        }
        assert proxy.admin.stats("ssl.handshake")["listener.127.0.0.1_0.ssl.handshake"] == 2
    finally:
        proxy.stop()
