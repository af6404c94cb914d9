"""What contexts are told of algorithms and of the length of chains, seen in handshakes."""

from __future__ import annotations

import datetime
import os
import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.extensions.transport_sockets.tls import contexts
from dataplane.extensions.transport_sockets.tls.contexts import server_context
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters
from tests.support.certificates import Authority
from tests.support.tls_handshake import shake_hands

AUTHORITY = Authority()
AT = FieldPath("context")


def server(validation: ValidationContext | None = None, **parameters: Any) -> ssl.SSLContext:
    pair = AUTHORITY.sign("a.test")
    common = CommonTls(TlsParameters("TLSv1_2", "TLSv1_3", DEFAULT_CIPHERS, **parameters))
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


def test_who_is_not_trusted_is_not_let_in_without_a_word() -> None:
    for validation in (
        ValidationContext(trusted_ca=AUTHORITY.certificate, accept_untrusted=True),
        ValidationContext(certificate_hashes=frozenset((b"x" * 32,)), accept_untrusted=True),
    ):
        with pytest.raises(ConfigError, match="trust_chain_verification: ACCEPT_UNTRUSTED is not supported"):
            server(validation)


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
