"""What contexts are told of algorithms and of the length of chains, seen in handshakes."""

from __future__ import annotations

import datetime
import os
import ssl
from dataclasses import fields
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.compile.compliance import FIPS_202205
from dataplane.extensions.transport_sockets.tls import contexts
from dataplane.extensions.transport_sockets.tls.client_certificates import lenient_verdict
from dataplane.extensions.transport_sockets.tls.contexts import server_context
from dataplane.extensions.transport_sockets.tls.openssl import UnreachableError, library_for
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters
from tests.support.certificates import Authority, show
from tests.support.tls_handshake import shake_hands

AUTHORITY = Authority()
AT = FieldPath("context")


def server(validation: ValidationContext | None = None, **parameters: Any) -> ssl.SSLContext:
    pair = AUTHORITY.sign("a.test")
    defaults = {"minimum": "TLSv1_2", "maximum": "TLSv1_3", "ciphers": DEFAULT_CIPHERS}
    common = CommonTls(TlsParameters(**(defaults | parameters)))
    return server_context(DownstreamTls(common), [TlsCertificate(pair.certificate, pair.private_key)], validation, AT)


def client() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AUTHORITY.certificate.decode())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_signature_algorithms_are_the_only_ones(version: ssl.TLSVersion) -> None:
    ours = client()
    ours.maximum_version = version
    shake_hands(ours, server(signature_algorithms=("rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256")))
    with pytest.raises(ssl.SSLError):  # the key of the certificate is for another one
        shake_hands(ours, server(signature_algorithms=("rsa_pss_rsae_sha256",)))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_several_curves_are_the_only_ones(version: ssl.TLSVersion) -> None:
    ours = client()
    ours.maximum_version = version
    ours.set_ecdh_curve("prime256v1")
    shake_hands(ours, server(curves=("secp384r1", "prime256v1")))
    with pytest.raises(ssl.SSLError):
        shake_hands(ours, server(curves=("X25519", "secp521r1")))


def fips_server() -> ssl.SSLContext:
    return server(**{field.name: getattr(FIPS_202205, field.name) for field in fields(FIPS_202205)})


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
)
def test_fips_has_aes_alone_in_tls_1_2(cipher: str) -> None:
    ours = client()
    ours.maximum_version = ssl.TLSVersion.TLSv1_2
    ours.set_ciphers(cipher)
    assert is_welcome(ours, fips_server()) is ("AES" in cipher)


@pytest.mark.parametrize("suite", ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_fips_has_aes_alone_in_tls_1_3(suite: str) -> None:
    ours = client()
    library_for(AT).set_ciphersuites(ours, suite)
    ours.minimum_version = ssl.TLSVersion.TLSv1_3
    assert is_welcome(ours, fips_server()) is ("AES" in suite)


@pytest.mark.parametrize("curve", ["X25519", "prime256v1", "secp384r1", "secp521r1"])
def test_fips_has_two_curves(curve: str) -> None:
    ours = client()
    ours.set_ecdh_curve(curve)
    assert is_welcome(ours, fips_server()) is (curve in FIPS_202205.curves)


def is_welcome(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> bool:
    try:
        shake_hands(ours, theirs)
    except ssl.SSLError:
        return False
    return True


def test_what_the_library_was_not_built_with_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "_POST_QUANTUM", "no-such-group")
    with pytest.raises(ConfigError, match=r"context\.common_tls_context\.tls_params\.ecdh_curves: OpenSSL .* no-such-group"):
        server(curves=("no-such-group",))


def test_pins_alone_ask_for_a_certificate_that_nobody_has_to_vouch_for() -> None:
    """Who it is is looked at after the handshake (verify)."""
    context = server(ValidationContext(certificate_hashes=frozenset((b"x" * 32,))))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(client(), context)
    chain = Chain(1)
    assert shake_hands(chain.context, context).server.getpeercert(binary_form=True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_found_of_a_chain_is_known_of_who_is_let_in_all_the_same(version: ssl.TLSVersion) -> None:
    context = server(ValidationContext(trusted_ca=AUTHORITY.certificate, accept_untrusted=True))
    for signer, verdict in ((AUTHORITY, None), (Authority("strangers"), Verdict.UNTRUSTED)):
        ours = client()
        ours.maximum_version = version
        show(ours, signer.sign("one.test"))
        first = shake_hands(ours, context)
        assert lenient_verdict(first.server, has_authority=True) is verdict
        again = shake_hands(ours, context, first.session)
        assert again.resumed
        assert lenient_verdict(again.server, has_authority=True) is Verdict.GOOD


def test_everybody_is_let_in_only_where_the_library_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "untrusted", lambda: UnreachableError("not here"))
    with pytest.raises(ConfigError, match=r"validation_context\.trust_chain_verification: is not possible .* not here"):
        server(ValidationContext(trusted_ca=AUTHORITY.certificate, accept_untrusted=True))


def test_a_client_is_told_of_the_authorities_in_their_order_each_once() -> None:
    others = Authority("first of all"), Authority("another")
    pems = [others[0].certificate, AUTHORITY.certificate, others[1].certificate, others[0].certificate]
    names = [x509.load_pem_x509_certificate(pem).subject.public_bytes() for pem in pems[:3]]
    entries = [len(name).to_bytes(2) + name for name in names]
    listed = b"".join(entries)
    assert len(listed).to_bytes(2) + listed in request_for_a_certificate(ValidationContext(trusted_ca=b"\n".join(pems)))
    assert entries[1] not in request_for_a_certificate(ValidationContext(certificate_hashes=frozenset((b"x" * 32,))))


def request_for_a_certificate(validation: ValidationContext) -> bytes:
    """What the server answers to a ClientHello; its request stands behind its own certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client()
    ours.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones encrypt it
    ends = (
        ours.wrap_bio(to_client, to_server, server_hostname="a.test"),
        server(validation).wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends:
        with pytest.raises(ssl.SSLWantReadError):
            end.do_handshake()
    return to_client.read()


class Chain:
    """An authority, others below it, and a client of the last of them."""

    def __init__(self, between: int) -> None:
        self.authorities: list[bytes] = []
        issuer = key = None
        for number in range(between + 1):
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {number}")])
            fresh = ec.generate_private_key(ec.SECP256R1())
            self.authorities.append(_sign(name, fresh, issuer or name, key or fresh, is_authority=True))
            issuer, key = name, fresh
        assert issuer is not None
        assert key is not None
        ours = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        leaf = _sign(subject, ours, issuer, key, is_authority=False)
        pem = ours.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.context = client()
        with os.fdopen(os.memfd_create("pair"), "wb") as file:
            file.write(leaf + b"".join(reversed(self.authorities[1:])) + pem)
            file.flush()
            self.context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _sign(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, by: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> bytes:
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), now - day, now + day)
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("trusted", [0, 1])
@pytest.mark.parametrize("depth", [None, 0, 1, 2, 3])
def test_a_chain_is_as_long_as_it_may_be(depth: int | None, trusted: int) -> None:
    """As seen with Envoy 1.40: the authority counts, the leaf does not; leaf and authority are always allowed."""
    for between in range(trusted, 3):
        chain = Chain(between)
        validation = ValidationContext(trusted_ca=chain.authorities[trusted], max_verify_depth=depth)
        context = server(validation)
        if depth is None or between - trusted + 1 <= max(1, depth):
            assert shake_hands(chain.context, context).server.getpeercert(binary_form=True)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake_hands(chain.context, context)
