"""TLS sessions that are taken up again: by another proxy with the same ticket keys, by every worker, after keys have changed."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import IS_ENVOY, subject_process
from tests.support.tls_config import TLS, pem
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_processes import wait_workers

pytestmark = pytest.mark.e2e

HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def keys(*numbers: int) -> dict[str, Any]:
    """Ticket keys, told apart by a number."""
    return {"keys": [{"inline_bytes": base64.b64encode(bytes([number]) * 80).decode()} for number in numbers]}


def listener(server: KeyPair, validation: dict[str, Any] | None = None, **context: Any) -> dict[str, Any]:
    pair = {"certificate_chain": pem(server.certificate), "private_key": pem(server.private_key)}
    common = {"tls_certificates": [pair], **({} if validation is None else {"validation_context": validation})}
    typed = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common, **context}
    made = bootstraps.http_listener("edge", HELLO)
    made["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": typed}
    return made


@contextmanager
def running(listener: dict[str, Any], directory: Path, *flags: str) -> Iterator[tuple[ProxyProcess, int]]:
    proxy = subject_process(bootstraps.static([listener], []), directory, *flags)
    proxy.start()
    try:
        yield proxy, proxy.wait_listeners(["edge"])["edge"]
    finally:
        proxy.stop()


class Client:
    """One who keeps the newest session and offers it again."""

    def __init__(self, authority: Authority, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.context = ssl.create_default_context(cadata=authority.certificate.decode())
        self.context.minimum_version = self.context.maximum_version = version
        self.session: ssl.SSLSession | None = None

    def resumes(self, port: int) -> bool:
        """Whether the proxy took up the session."""
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
            self.context.wrap_socket(plain, server_hostname="a.test", session=self.session) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
            while secure.recv(65536):
                pass
            self.session = secure.session
            return bool(secure.session_reused)


def put(path: Path, secret: dict[str, Any]) -> None:
    """A watched file has to be changed in one step."""
    fresh = path.with_suffix(".new")
    resource = {"@type": TLS + "Secret", "name": "keys", "session_ticket_keys": secret}
    fresh.write_text(json.dumps({"resources": [resource]}))
    fresh.rename(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_proxy_with_the_same_keys_takes_sessions_up_and_one_that_trusts_others_does_not(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    authority = Authority()
    client = Client(authority, version)
    first = listener(authority.sign("a.test"), session_ticket_keys=keys(1))
    with running(first, tmp_path / "first") as (_, port):
        assert not client.resumes(port)
    second = listener(authority.sign("a.test"), session_ticket_keys=keys(2, 1))
    with running(second, tmp_path / "second") as (proxy, port):
        assert client.resumes(port)
        assert client.resumes(port)
        assert proxy.admin.stats("ssl.session_reused")["listener.127.0.0.1_0.ssl.session_reused"] == 2
        assert base64.b64encode(b"\1" * 80).decode() not in json.dumps(proxy.admin.get_json("/config_dump"))
    trusting = {"trusted_ca": pem(authority.certificate)}
    third = listener(authority.sign("a.test"), trusting, session_ticket_keys=keys(2))
    with running(third, tmp_path / "third") as (_, port):
        assert not client.resumes(port)
        assert client.resumes(port)


def test_keys_that_come_by_sds_may_change(tmp_path: Path) -> None:
    authority = Authority()
    secret = tmp_path / "keys.json"
    put(secret, keys(1))
    source = {"path_config_source": {"path": str(secret)}, "resource_api_version": "V3"}
    reference = {"name": "keys", "sds_config": source}
    made = listener(authority.sign("a.test"), session_ticket_keys_sds_secret_config=reference)
    with running(made, tmp_path / "proxy") as (proxy, port):
        client = Client(authority)
        assert not client.resumes(port)
        kept = client.session
        put(secret, keys(2, 1))
        wait_until(lambda: updates(proxy) == 2, "the second update")
        assert client.resumes(port)  # with the old key, and gets a ticket of the new one
        put(secret, keys(2))
        wait_until(lambda: updates(proxy) == 3, "the third update")
        assert client.resumes(port)
        client.session = kept
        assert not client.resumes(port)


def updates(proxy: ProxyProcess) -> int:
    found = proxy.admin.stats("sds.keys.update_success")
    return sum(found.values())


@pytest.mark.parametrize(
    ("turned_off", "resumed"),
    [
        ((), (True, True)),
        (("disable_stateless_session_resumption",), (True, False)),
        (("disable_stateful_session_resumption",), (True, True)),
        (("disable_stateless_session_resumption", "disable_stateful_session_resumption"), (False, False)),
    ],
)
def test_resumption_is_turned_off(turned_off: tuple[str, ...], resumed: tuple[bool, bool], tmp_path: Path) -> None:
    authority = Authority()
    made = listener(authority.sign("a.test"), **dict.fromkeys(turned_off, True), session_timeout="77.9s")
    with running(made, tmp_path) as (_, port):
        for version, is_resumed in zip(VERSIONS, resumed, strict=True):
            client = Client(authority, version)
            assert not client.resumes(port)
            assert client.session is not None
            if version is ssl.TLSVersion.TLSv1_2 and client.session.has_ticket:
                assert client.session.ticket_lifetime_hint == 77
            assert client.resumes(port) is is_resumed


def test_every_worker_takes_up_a_session(tmp_path: Path) -> None:
    authority = Authority()
    made = listener(authority.sign("a.test"))
    flags = () if IS_ENVOY else ("--concurrency", "2")  # Envoy's flag is given once
    with running(made, tmp_path, *flags) as (proxy, port):
        client = Client(authority)
        assert not client.resumes(port)
        assert all(client.resumes(port) for _ in range(32))
        if IS_ENVOY:
            return
        found = proxy.admin.stats("downstream_cx_total")
        assert min(found[f"listener.127.0.0.1_0.worker_{number}.downstream_cx_total"] for number in (0, 1)) > 0
        assert proxy.admin.stats("ssl.session_reused")["listener.127.0.0.1_0.ssl.session_reused"] == 32
        for victim in wait_workers(proxy, 2):
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: are_new(proxy), "new workers")
        assert client.resumes(port)


def are_new(proxy: ProxyProcess) -> bool:
    """Both workers were replaced, and serve."""
    found = proxy.admin.stats("pointsman.workers")
    return found["pointsman.workers_replaced"] == 2 and found["pointsman.workers"] == 2 and not found["pointsman.workers_behind"]


@pytest.mark.skipif(IS_ENVOY, reason="the tests start Envoy without hot restart")
def test_a_new_process_takes_up_the_sessions_of_the_old_one(tmp_path: Path) -> None:
    authority = Authority()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    bootstrap = bootstraps.static(
        [listener(authority.sign("a.test"), session_ticket_keys=keys(1)) | {"address": bootstraps.address(port)}], []
    )
    base = tmp_path / "base-id"
    old = subject_process(bootstrap, tmp_path / "old", "--use-dynamic-base-id", "--base-id-path", str(base))
    old.start()
    try:
        client = Client(authority)
        assert not client.resumes(port)
        new = subject_process(bootstrap, tmp_path / "new", "--restart-epoch", "1", "--base-id", base.read_text())
        new.start()
        try:
            old.kill()  # it would drain; whoever connects now has to do with the new one
            assert client.resumes(port)
        finally:
            new.stop()
    finally:
        old.kill()
