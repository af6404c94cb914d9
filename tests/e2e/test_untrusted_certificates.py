"""`ACCEPT_UNTRUSTED`: whoever comes is let in and told of, and it is counted what was found of them, once for a session; both sides."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps, certificates
from tests.support.certificates import Authority, KeyPair, server_context
from tests.support.origin import Origin, in_a_thread
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.tls_config import TLS, pair
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e

AUTHORITY, STRANGERS = Authority(), Authority("strangers")
SERVER = AUTHORITY.sign("a.test")
WELCOME, OTHER, STRANGER = AUTHORITY.sign("one.test"), AUTHORITY.sign("two.test"), STRANGERS.sign("one.test")
PEERS = {"welcome": WELCOME, "other": OTHER, "stranger": STRANGER, "nobody": None}
LENIENT = {"trust_chain_verification": "ACCEPT_UNTRUSTED"}
TRUSTED = {"trusted_ca": {"inline_string": AUTHORITY.certificate.decode()}}
PINNED = {"verify_certificate_hash": [hashlib.sha256(ssl.PEM_cert_to_DER_cert(WELCOME.certificate.decode())).hexdigest()]}
NAMED = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "one.test"}}]}

# By validation context: what is counted of each peer, who comes twice.
COUNTED = {
    "trusted": (TRUSTED, {"stranger": "fail_verify_error"}),
    "trusted and pinned": (TRUSTED | PINNED, {"other": "fail_verify_cert_hash", "stranger": "fail_verify_error"}),
    "trusted and named": (TRUSTED | NAMED, {"other": "fail_verify_san", "stranger": "fail_verify_error"}),
    "pinned": (PINNED, {"other": "fail_verify_cert_hash", "stranger": "fail_verify_cert_hash"}),
    "nothing": ({}, {}),
}


def listener(name: str, validation: dict[str, Any], required: bool) -> dict[str, Any]:
    """Answers with what it knows of the client."""
    told = {"header": {"key": "x-told", "value": "%DOWNSTREAM_PEER_DNS_SAN%"}}
    direct = {"status": 200, "body": {"inline_string": "x"}}
    routes = [{"match": {"prefix": "/"}, "direct_response": direct, "response_headers_to_add": [told]}]
    made = bootstraps.http_listener(name, routes) | {"stat_prefix": name}
    common = {"tls_certificates": [pair(SERVER)], "validation_context": validation | LENIENT}
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common, "require_client_certificate": required}
    made["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return made


def client_context(peer: KeyPair | None) -> ssl.SSLContext:
    context = certificates.client_context(AUTHORITY, peer)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whoever has to have a certificate hears of it in the handshake
    return context


def told(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> tuple[str, ssl.SSLSession | None]:
    """What the proxy knows of the client's names, and the session."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="a.test", session=session) as secure,
    ):
        assert secure.session_reused is (session is not None)
        secure.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
        answer = b""
        while data := secure.recv(65536):
            answer += data
        found = re.search(rb"x-told: (.*)\r\n", answer)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return "" if found is None else found[1].decode(), secure.session


def failures(proxy: ProxyProcess, scope: str) -> dict[str, int]:
    return {name.rpartition(".")[2]: count for name, count in proxy.admin.stats(f"{scope}.ssl.fail_verify").items() if count}


def visit_twice(proxy: ProxyProcess, name: str, port: int, peer: KeyPair | None) -> tuple[str, str, dict[str, int]]:
    """What is known of *peer* at first, with its session taken up, and what was counted for both."""
    before = failures(proxy, f"listener.{name}")
    context = client_context(peer)
    first, session = told(port, context)
    again, _ = told(port, context, session)
    after = failures(proxy, f"listener.{name}")
    return first, again, {what: count - before.get(what, 0) for what, count in after.items() if count != before.get(what, 0)}


def test_clients_who_are_not_trusted(tmp_path: Path) -> None:
    names = {kind: kind.replace(" ", "_") for kind in COUNTED}
    listeners = [listener(names[kind], validation, required=False) for kind, (validation, _) in COUNTED.items()]
    proxy = subject_process(bootstraps.static(listeners, []), tmp_path)
    proxy.start()
    try:
        ports = proxy.wait_listeners(list(names.values()))
        for kind, (_, counted) in COUNTED.items():
            for who, peer in PEERS.items():
                known = {"nobody": "", "other": "two.test"}.get(who, "one.test")
                expected = {counted[who]: 1} if who in counted else {}
                assert visit_twice(proxy, names[kind], ports[names[kind]], peer) == (known, known, expected), (kind, who)
    finally:
        proxy.stop()


def test_clients_who_have_to_have_a_certificate(tmp_path: Path) -> None:
    """With an authority any certificate will do.  Without one nobody has to have any, whatever is configured."""
    listeners = [listener("trusted", TRUSTED, required=True), listener("pinned", PINNED, required=True)]
    proxy = subject_process(bootstraps.static(listeners, []), tmp_path)
    proxy.start()
    try:
        ports = proxy.wait_listeners(["trusted", "pinned"])
        assert told(ports["trusted"], client_context(STRANGER))[0] == "one.test"
        with pytest.raises(ssl.SSLError):
            told(ports["trusted"], client_context(None))
        assert failures(proxy, "listener.trusted") == {"fail_verify_error": 1, "fail_verify_no_cert": 1}
        assert told(ports["pinned"], client_context(None))[0] == ""
    finally:
        proxy.stop()


def cluster(name: str, port: int, validation: dict[str, Any], **context: Any) -> dict[str, Any]:
    common = {"validation_context": validation | LENIENT}
    typed = {"@type": TLS + "UpstreamTlsContext", "common_tls_context": common, "max_session_keys": 0, **context}
    return bootstraps.static_cluster(name, port) | {
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": typed}
    }


def status(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(f"GET /{path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n".encode())
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer[9:12]


def test_hosts_who_are_not_trusted(tmp_path: Path) -> None:
    origins = [Origin(who, tls=server_context(peer)) for who, peer in PEERS.items() if peer is not None]
    with contextlib.ExitStack() as running:
        for origin in origins:
            running.enter_context(in_a_thread(origin))
        clusters, expected = [], {}
        for kind, (validation, counted) in COUNTED.items():
            for origin in origins:
                name = f"{kind}_{origin.name}".replace(" ", "_")
                clusters.append(cluster(name, origin.port, validation))
                expected[name] = {counted[origin.name]: 1} if origin.name in counted else {}
        clusters.append(cluster("by_name", origins[0].port, TRUSTED, sni="two.test", auto_sni_san_validation=True))
        expected["by_name"] = {"fail_verify_san": 1}
        routes = [{"match": {"path": f"/{each['name']}"}, "route": {"cluster": each["name"]}} for each in clusters]
        proxy = subject_process(bootstraps.static([bootstraps.http_listener("edge", routes)], clusters), tmp_path)
        proxy.start()
        running.callback(proxy.stop)
        port = proxy.wait_listeners(["edge"])["edge"]
        assert {name: status(port, name) for name in expected} == dict.fromkeys(expected, b"200")
        assert {name: failures(proxy, f"cluster.{name}") for name in expected} == expected
