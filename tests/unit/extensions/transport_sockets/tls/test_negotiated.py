"""What two sides agreed on, by the names that Envoy's library has for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.extensions.transport_sockets.tls import negotiated as module
from dataplane.extensions.transport_sockets.tls import openssl
from dataplane.extensions.transport_sockets.tls.contexts import server_context
from dataplane.extensions.transport_sockets.tls.facts import ConnectionFacts
from dataplane.extensions.transport_sockets.tls.negotiated import Negotiated, negotiated
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, UnreachableError
from dataplane.extensions.transport_sockets.tls.stats import TlsStats
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.secret import TlsCertificate
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters
from tests.support.certificates import Authority
from tests.support.tls_handshake import shake_hands

AUTHORITY = Authority()
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server(curve: str = "", *, required: bool = False) -> ssl.SSLContext:
    pair = AUTHORITY.sign("a.test")
    common = CommonTls(TlsParameters("TLSv1_2", "TLSv1_3", DEFAULT_CIPHERS, curves=(curve,) if curve else ()))
    config = DownstreamTls(common, require_client_certificate=required)
    return server_context(config, [TlsCertificate(pair.certificate, pair.private_key)], None, FieldPath("context"))


def client(version: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
    made.maximum_version = version
    return made


@pytest.fixture
def fresh() -> Iterator[None]:
    negotiated.cache_clear()
    yield
    negotiated.cache_clear()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("curve", "name"), [("prime256v1", "P-256"), ("secp384r1", "P-384"), ("X25519", "X25519")])
def test_the_group_of_the_keys(version: ssl.TLSVersion, curve: str, name: str) -> None:
    shaken = shake_hands(client(version), server(curve))
    asked = Negotiated(OpenSsl())
    assert [asked.of(end)[0] for end in (shaken.server, shaken.client)] == [name, name]


@pytest.mark.parametrize("version", VERSIONS)
def test_how_the_peer_signed(version: ssl.TLSVersion) -> None:
    shaken = shake_hands(client(version), server())
    asked = Negotiated(OpenSsl())
    assert asked.of(shaken.client)[1] == "ecdsa_secp256r1_sha256"
    assert asked.of(shaken.server)[1] == ""  # nobody asked for a certificate


@pytest.mark.parametrize("version", VERSIONS)
def test_handshakes_are_counted_by_what_was_agreed_on(version: ssl.TLSVersion) -> None:
    store = StatsStore()
    stats = TlsStats(store.scope("ssl."))
    tls = shake_hands(client(version), server("prime256v1")).client
    stats.on_handshake(tls, ConnectionFacts(tls, "", "", None, True))
    assert store.counter("ssl.curves.P-256").value == 1
    assert store.counter("ssl.sigalgs.ecdsa_secp256r1_sha256").value == 1


def test_who_requires_a_certificate_and_verifies_none_asks_for_none() -> None:
    shaken = shake_hands(client(VERSIONS[1]), server(required=True))
    assert shaken.server.getpeercert(binary_form=True) is None
    assert shaken.server.context.verify_mode is ssl.CERT_NONE


@pytest.mark.usefixtures("fresh")
def test_a_library_that_cannot_be_asked_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "library", lambda: UnreachableError("no"))
    assert isinstance(negotiated(), UnreachableError)
    store = StatsStore()
    tls = shake_hands(client(VERSIONS[1]), server()).client
    TlsStats(store.scope("ssl.")).on_handshake(tls, ConnectionFacts(tls, "", "", None, True))
    assert not [name for name in store.counters if name.startswith("ssl.curves")]


@pytest.mark.usefixtures("fresh")
def test_a_connection_that_is_somewhere_else_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    another = shake_hands(client(VERSIONS[1]), server()).server
    address = module.pointer_of(another)
    found = OpenSsl()
    monkeypatch.setattr(module, "pointer_of", lambda connection: address)
    with pytest.raises(UnreachableError):
        Negotiated(found)
    monkeypatch.setattr(openssl, "library", lambda: found)
    assert isinstance(negotiated(), UnreachableError)
