"""OCSP responses: who gets one, and what becomes of those who ask where there is none.  As seen with Envoy 1.40."""

from __future__ import annotations

import gc
import ssl

import pytest
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsCertificate as CertificateMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.compile.secret import compile_certificate
from dataplane.extensions.transport_sockets.tls.downstream import ServerContexts
from dataplane.extensions.transport_sockets.tls.live_contexts import Materials
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, library
from dataplane.extensions.transport_sockets.tls.stapling import Counted, Staples, _responder
from dataplane.extensions.transport_sockets.tls.stats import TlsStats
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.secret import Staple, TlsCertificate
from dataplane.snapshot.tls import CommonTls, DownstreamTls, StaplePolicy, TlsParameters
from tests.support.certificates import Authority, KeyPair
from tests.support.tls_handshake import shake_hands

AUTHORITY = Authority()
AT = FieldPath("context")
PAIR = AUTHORITY.sign("a.test")
ASK = 65, 1  # SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, TLSEXT_STATUSTYPE_ocsp
LENIENT, STRICT, MUST = StaplePolicy


def certificate(response: bytes = b"", pair: KeyPair = PAIR) -> TlsCertificate:
    message = CertificateMessage()
    message.certificate_chain.inline_bytes = pair.certificate
    message.private_key.inline_bytes = pair.private_key
    if response:
        message.ocsp_staple.inline_bytes = response
    return compile_certificate(message, AT)


GOOD, EXPIRED = AUTHORITY.vouch(PAIR), AUTHORITY.vouch(PAIR, expired=True)


def contexts(policy: StaplePolicy, *certificates: TlsCertificate) -> ServerContexts:
    parameters = TlsParameters("TLSv1_2", "TLSv1_3", DEFAULT_CIPHERS)
    return ServerContexts(DownstreamTls(CommonTls(parameters), staple_policy=policy), Materials(certificates, None), AT)


def client(version: ssl.TLSVersion, *, asks: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
    context.minimum_version = context.maximum_version = version
    found = library()
    assert isinstance(found, OpenSsl)
    if asks:
        found.functions.SSL_CTX_ctrl(found.pointer(context), *ASK, None)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("policy", "response", "counted"),
    [
        (LENIENT, GOOD, "responses"),
        (STRICT, GOOD, "responses"),
        (MUST, GOOD, "responses"),
        (LENIENT, EXPIRED, "omitted"),
        (LENIENT, AUTHORITY.vouch(PAIR, lasting=False), "omitted"),
        (STRICT, EXPIRED, "failed"),
        (MUST, EXPIRED, "failed"),
    ],
)
def test_who_asks(policy: StaplePolicy, response: bytes, counted: str, version: ssl.TLSVersion) -> None:
    ours = contexts(policy, certificate(response))
    store = StatsStore()
    ours._counted.stats = TlsStats(store.scope("ssl."))
    shake_hands(client(version, asks=False), ours.default)
    assert store.counter("ssl.ocsp_staple_requests").value == 0
    if counted == "failed":
        with pytest.raises(ssl.SSLError):
            shake_hands(client(version, asks=True), ours.default)
    else:
        shake_hands(client(version, asks=True), ours.default)
    assert store.counter("ssl.ocsp_staple_requests").value == 1
    found = {name: store.counter(f"ssl.ocsp_staple_{name}").value for name in ("responses", "omitted", "failed")}
    assert found == {**dict.fromkeys(found, 0), counted: 1}


def test_each_key_type_has_its_own() -> None:
    later, sooner = (TlsCertificate(b"", b"", staple=Staple(text, 0.0, expires)) for text, expires in ((b"1", 9.0), (b"2", 5.0)))
    staples = Staples({"RSA": later, "EC": sooner}, LENIENT, Counted())
    assert [staples.decide(kind, 4.0) for kind in ("RSA", "EC", "")] == [(0, b"1"), (0, b"2"), (3, b"")]
    assert [staples.decide(kind, 5.0) for kind in ("RSA", "EC")] == [(0, b"1"), (3, b"")]


def test_a_certificate_that_asks_to_be_shown_with_one() -> None:
    asking = AUTHORITY.sign("a.test", must_staple=True)
    with pytest.raises(ConfigError, match="OCSP response is required for must-staple certificate"):
        contexts(LENIENT, certificate(pair=asking))
    expired = contexts(LENIENT, certificate(AUTHORITY.vouch(asking, expired=True), asking))
    with pytest.raises(ssl.SSLError):
        shake_hands(client(ssl.TLSVersion.TLSv1_3, asks=True), expired.default)


def test_a_policy_that_wants_one_for_every_certificate() -> None:
    with pytest.raises(ConfigError, match=r"context\.ocsp_staple_policy: Required OCSP response is missing from TLS context"):
        contexts(MUST, certificate())
    contexts(STRICT, certificate())


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"xxxx", "is no OCSP response: "),
        (AUTHORITY.vouch(AUTHORITY.sign("b.test")), "OCSP response does not match its TLS certificate"),
        (b"\x30\x03\x0a\x01\x03", "OCSP response was unsuccessful"),  # tryLater
    ],
)
def test_responses_that_are_none(response: bytes, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        certificate(response)
    assert str(caught.value).startswith(f"context.ocsp_staple: {reason}")


def test_nothing_is_kept_of_a_context_that_is_gone() -> None:
    ours = contexts(LENIENT, certificate(GOOD))
    found = library()
    assert isinstance(found, OpenSsl)
    pointer, known = found.pointer(ours.default), _responder(found)._staples._found
    assert pointer in known
    del ours
    gc.collect()
    assert pointer not in known
