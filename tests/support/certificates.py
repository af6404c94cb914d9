"""Throw-away certificates for tests: an authority, and whatever it is asked to sign."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
_SIGNATURES_ONLY = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM."""

    certificate: bytes
    private_key: bytes


def server_context(keys: KeyPair) -> ssl.SSLContext:
    """What a server with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show(context, keys)
    return context


def client_context(authority: Authority, keys: KeyPair | None = None) -> ssl.SSLContext:
    """What a client speaks that trusts *authority* alone.  keys: what it shows, None for nothing."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    if keys is not None:
        show(context, keys)
    return context


def show(context: ssl.SSLContext, keys: KeyPair) -> None:
    """Whoever speaks with *context* shows this certificate."""
    with os.fdopen(os.memfd_create("pair"), "wb") as file:
        file.write(keys.certificate + keys.private_key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


class Authority:
    """A certificate authority that lives as long as its test."""

    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = _builder(self._name, self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def certificate(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def revoke(self, *pairs: KeyPair) -> bytes:
        """A list of certificates that are revoked, PEM."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(now - _DAY).next_update(now + _DAY)
        for pair in pairs:
            serial = x509.load_pem_x509_certificate(pair.certificate).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _DAY).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def vouch(self, pair: KeyPair, *, expired: bool = False, lasting: bool = True) -> bytes:
        """An OCSP response that says that *pair* is good, DER.  lasting: it says until when."""
        now = datetime.datetime.now(datetime.UTC)
        ends = now + (-_DAY / 2 if expired else _DAY) if lasting else None
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=x509.load_pem_x509_certificate(pair.certificate),
            issuer=self._certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now - _DAY,
            next_update=ends,
            revocation_time=None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self._certificate)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def sign(self, *names: str, expired: bool = False, must_staple: bool = False) -> KeyPair:
        """A key pair whose certificate has *names* as its subject alternative names.

        DNS names, IP addresses, URIs; other names as `OID=text`.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        ends = -_DAY / 2 if expired else _DAY
        builder = _builder(_name(names[0]), self._name, key, ends).add_extension(alternatives, critical=False)
        if must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        certificate = builder.add_extension(_SIGNATURES_ONLY, critical=True).sign(self._key, hashes.SHA256())
        return KeyPair(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime.timedelta = _DAY
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + ends)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    kind, is_other, text = name.partition("=")
    if is_other:
        value = b"\x0c" + bytes([len(text)]) + text.encode()  # a UTF8String of the short form
        return x509.OtherName(x509.ObjectIdentifier(kind), value)
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
