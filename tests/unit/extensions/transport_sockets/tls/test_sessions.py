"""Sessions towards upstreams: resumed, and looked at as rarely as can be."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pytest

from dataplane.api.upstream import PoolFailure
from dataplane.extensions.transport_sockets.tls import upstream
from dataplane.extensions.transport_sockets.tls.upstream import UpstreamTlsSocket
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import Cluster
from tests.support.certificates import Authority, server_context
from tests.support.compiling import compiled, message

AUTHORITY = Authority()
SERVER = server_context(AUTHORITY.sign("a.test"))


class Below:
    """The network: keeps what is sent."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


class Above:
    def connection_made(self, transport: Any) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        raise AssertionError(details)


def socket() -> UpstreamTlsSocket:
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "a.test",
        "common_tls_context": {"validation_context": {"trusted_ca": {"inline_string": AUTHORITY.certificate.decode()}}},
    }
    content = {"name": "c", "type": "STATIC", "transport_socket": {"name": "tls", "typed_config": context}}
    cluster = compiled(message("envoy.config.cluster.v3.Cluster", content))
    assert isinstance(cluster, Cluster)
    assert isinstance(cluster.transport_socket, UpstreamTlsSocket)
    return cluster.transport_socket


def resumes(client: UpstreamTlsSocket, server: ssl.SSLContext = SERVER) -> bool:
    """One connection from its beginning to its end.  Returns whether it resumed the session of an earlier one."""
    below: Any = Below()
    layer = client.dial(Above(), "", ("http/1.1",), {}, StatsStore().scope("c."))  # type: ignore[arg-type]  # all that is used
    assert layer is not None
    layer.connection_made(below)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = server.wrap_bio(to_server, to_client, server_side=True)
    while not layer.secured:
        to_server.write(below.sent)
        below.sent = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.do_handshake()
        layer.data_received(to_client.read())
    to_server.write(below.sent)
    peer.do_handshake()
    peer.write(b"hello")
    layer.data_received(to_client.read())  # behind the tickets
    layer.connection_lost(None)
    return bool(layer.tls.session_reused)


def test_a_session_is_resumed_again_and_again() -> None:
    client = socket()
    assert [resumes(client) for _ in range(4)] == [False, True, True, True]


def test_a_session_that_the_server_does_not_know_is_replaced() -> None:
    client, restarted = socket(), server_context(AUTHORITY.sign("a.test"))
    assert [resumes(client), resumes(client)] == [False, True]
    assert [resumes(client, restarted), resumes(client, restarted)] == [False, True]


def test_whoever_resumes_nothing_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "_MOST_IN_VAIN", 2)
    client = socket()
    for _ in range(3):
        assert not resumes(client, server_context(AUTHORITY.sign("a.test")))
    assert not resumes(client)
    assert not resumes(client)  # the session of the one before was not looked at
