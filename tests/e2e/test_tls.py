"""TLS on both sides of a real proxy: who is let in, who is trusted, what is logged, and secrets that change while it runs."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair, client_context, server_context
from tests.support.origin import Origin, in_a_thread
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.tls_config import TLS, pair, pem, tls_socket
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

INSPECTOR = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": {"@type": bootstraps.TYPE + "filters.listener.tls_inspector.v3.TlsInspector"},
}
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
TO_ORIGIN = [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]


def secure_listener(routes: list[dict[str, Any]], *chains: dict[str, Any], **hcm: Any) -> dict[str, Any]:
    """One filter chain per *chain*: fields of a FilterChain without the filters."""
    listener = bootstraps.http_listener("edge", routes, **hcm)
    filters = listener["filter_chains"][0]["filters"]
    listener["filter_chains"] = [{"filters": filters, **chain} for chain in chains]
    listener["listener_filters"] = [INSPECTOR]
    return listener


@contextmanager
def running(bootstrap: dict[str, Any], directory: Path) -> Iterator[tuple[ProxyProcess, int]]:
    proxy = subject_process(bootstrap, directory)
    proxy.start()
    try:
        yield proxy, proxy.wait_listeners(["edge"])["edge"]
    finally:
        proxy.stop()


def get(port: int, name: str, context: ssl.SSLContext) -> bytes:
    """The whole answer to one request; raises OSError where the proxy does not want us."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nhost: %b\r\nconnection: close\r\n\r\n" % name.encode())
        answer = b""
        while data := secure.recv(65536):
            answer += data
        return answer


def subject_name(port: int, name: str, authority: Authority) -> str:
    """The first alternative name of the certificate that a new handshake is given."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        client_context(authority).wrap_socket(plain, server_hostname=name) as secure,
    ):
        certificate = secure.getpeercert()
        assert certificate is not None
        return str(certificate["subjectAltName"][-1][1])


def test_the_server_name_chooses_the_filter_chain_and_its_certificate(tmp_path: Path) -> None:
    authority = Authority()
    chains = [
        {
            "filter_chain_match": {"server_names": [name]},
            "transport_socket": tls_socket("Downstream", {"tls_certificates": [pair(authority.sign(name))]}),
        }
        for name in ("a.test", "b.test")
    ]
    with running(bootstraps.static([secure_listener(HELLO, *chains)], []), tmp_path) as (_, port):
        for name in ("a.test", "b.test"):
            assert get(port, name, client_context(authority)).endswith(b"hello")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(port, "c.test", client_context(authority))


def test_a_required_client_certificate_is_checked_and_told_to_the_upstream(tmp_path: Path) -> None:
    authority = Authority()
    common = {
        "tls_certificates": [pair(authority.sign("a.test", "spiffe://us"))],
        "validation_context": {
            "trusted_ca": pem(authority.certificate),
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://them/"}}],
        },
    }
    chain = {"transport_socket": tls_socket("Downstream", common, require_client_certificate=True)}
    body = {"inline_string": "x"}
    echo = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": body}, "response_headers_to_add": [header()]}]
    manager = {
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": True, "uri": True, "dns": True},
    }
    with running(bootstraps.static([secure_listener(echo, chain, **manager)], []), tmp_path) as (_, port):
        answer = get(port, "a.test", client_context(authority, authority.sign("spiffe://them/one", "one.test")))
        assert b"x-told: By=spiffe://us;Hash=" in answer
        assert b';Subject="CN=spiffe://them/one";URI=spiffe://them/one;DNS=one.test\r\n' in answer
        for unwanted in (None, authority.sign("spiffe://others/two"), Authority("stranger").sign("spiffe://them/one")):
            with pytest.raises((OSError, AssertionError)):
                assert get(port, "a.test", client_context(authority, unwanted))


def header() -> dict[str, Any]:
    return {"header": {"key": "x-told", "value": "%REQ(x-forwarded-client-cert)%"}}


class TlsOrigin(Origin):
    """An origin behind TLS."""

    def __init__(self, name: str, keys: KeyPair) -> None:
        super().__init__(name)
        self._context = server_context(keys)

    async def __aenter__(self) -> Origin:
        server = await asyncio.get_running_loop().create_server(self.connection, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server
        return self


def upstream_answer(origin: Origin, validation: dict[str, Any], directory: Path) -> bytes:
    cluster = bootstraps.static_cluster("origin", origin.port)
    cluster["transport_socket"] = tls_socket("Upstream", {"validation_context": validation}, sni="up.test")
    listener = bootstraps.http_listener("edge", TO_ORIGIN, access_log=[])
    with (
        running(bootstraps.static([listener], [cluster]), directory) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer


def test_an_upstream_is_trusted_by_its_name(tmp_path: Path) -> None:
    authority = Authority()
    trusted = {"trusted_ca": pem(authority.certificate)}
    with in_a_thread(TlsOrigin("origin", authority.sign("up.test"))) as origin:
        for name, status in (("up.test", b"200"), ("else.test", b"503")):
            wanted = [{"san_type": "DNS", "matcher": {"exact": name}}]
            validation = {**trusted, "match_typed_subject_alt_names": wanted}
            answer = upstream_answer(origin, validation, tmp_path / name)
            assert answer.startswith(b"HTTP/1.1 " + status)


def secret_file(path: Path, **secret: Any) -> None:
    """Put a secret in its place in one step, as a watched file has to be changed."""
    resource = {"@type": TLS + "Secret", "name": "server", **secret}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"resources": [resource]}))
    fresh.rename(path)


def test_a_rotated_secret_reaches_new_handshakes_and_a_bad_one_does_not(tmp_path: Path) -> None:
    authority = Authority()
    secret = tmp_path / "secret.json"
    secret_file(secret, tls_certificate=pair(authority.sign("a.test", "first.test")))
    source = {"path_config_source": {"path": str(secret)}, "resource_api_version": "V3"}
    common = {"tls_certificate_sds_secret_configs": [{"name": "server", "sds_config": source}]}
    listener = secure_listener(HELLO, {"transport_socket": tls_socket("Downstream", common)})
    with running(bootstraps.static([listener], []), tmp_path / "proxy") as (proxy, port):
        assert subject_name(port, "a.test", authority) == "first.test"
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
            client_context(authority).wrap_socket(plain, server_hostname="a.test") as before,
        ):
            secret_file(secret, tls_certificate=pair(authority.sign("a.test", "second.test")))
            wait_until(lambda: subject_name(port, "a.test", authority) == "second.test", "the new certificate")
            mixed = {**pair(authority.sign("a.test", "third.test")), "private_key": pem(authority.sign("x").private_key)}
            secret_file(secret, tls_certificate=mixed)
            wait_until(lambda: refusals(proxy) > 0, "the refusal")
            assert subject_name(port, "a.test", authority) == "second.test"
            before.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
            assert before.recv(65536).startswith(b"HTTP/1.1 200")
        assert "PRIVATE KEY" not in dump(proxy)
        assert "[redacted]" in dump(proxy) or "W3JlZGFjdGVkXQ==" in dump(proxy)


def dump(proxy: ProxyProcess) -> str:
    return json.dumps(proxy.admin.get_json("/config_dump"))


def refusals(proxy: ProxyProcess) -> int:
    return sum(count for name, count in proxy.admin.stats("update_rejected").items() if "sds.server." in name)


def test_a_workload_is_known_by_an_authority_of_its_own_trust_domain(tmp_path: Path) -> None:
    """Each authority vouches for its domain alone, whoever else is trusted."""
    east, west = Authority("east"), Authority("west")
    domains = [
        {"name": name, "trust_bundle": pem(authority.certificate)}
        for name, authority in (("east.test", east), ("west.test", west))
    ]
    validator = {
        "name": "envoy.tls.cert_validator.spiffe",
        "typed_config": {"@type": f"{TLS}SPIFFECertValidatorConfig", "trust_domains": domains},
    }
    common = {
        "tls_certificates": [pair(east.sign("a.test"))],
        "validation_context": {
            "custom_validator_config": validator,
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"suffix": "/one"}}],
        },
    }
    chain = {"transport_socket": tls_socket("Downstream", common, require_client_certificate=True)}
    with running(bootstraps.static([secure_listener(HELLO, chain)], []), tmp_path) as (proxy, port):
        for authority, name in ((east, "east.test"), (west, "west.test")):
            for _ in range(2):
                assert get(port, "a.test", client_context(east, authority.sign(f"spiffe://{name}/one"))).endswith(b"hello")
        for keys in (
            west.sign("spiffe://east.test/one"),  # the authority of another domain
            east.sign("spiffe://north.test/one"),  # a domain that nobody knows
            east.sign("one.test"),  # no identity
            east.sign("spiffe://east.test/two"),  # not one of those that are wanted
            None,
        ):
            with pytest.raises((OSError, AssertionError)):
                assert get(port, "a.test", client_context(east, keys))
        failures = proxy.admin.stats("ssl.fail_verify")
        assert [failures[f"listener.127.0.0.1_0.ssl.fail_verify_{kind}"] for kind in ("error", "san", "no_cert")] == [3, 1, 1]
