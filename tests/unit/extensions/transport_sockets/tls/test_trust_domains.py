"""Who vouches for a workload: authorities of its own trust domain, directly or over others."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.trust_domains import TrustDomains
from dataplane.extensions.transport_sockets.tls.verdict import Verdict

DAY = datetime.timedelta(days=1)
SIGNS = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
CERTIFIES = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


class Signer:
    """An authority, or one that another authority vouches for."""

    def __init__(self, name: str, parent: Signer | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (parent or self).issue(self.name, self.key, x509.BasicConstraints(True, None), CERTIFIES)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def workload(self, *uris: str, usage: x509.KeyUsage | None = SIGNS) -> Certificate:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        extensions: list[x509.ExtensionType] = [names, *(() if usage is None else (usage,))]
        key = ec.generate_private_key(ec.SECP256R1())
        return Certificate(self.issue(x509.Name([]), key, *extensions).public_bytes(Encoding.DER))


ROOT, OTHER = Signer("root"), Signer("other")
BETWEEN = Signer("between", ROOT)
LOWEST = Signer("lowest", BETWEEN)
DOMAINS = TrustDomains([("one.test", ROOT.pem), ("two.test", OTHER.pem)])


def test_directly() -> None:
    assert DOMAINS.verdict(ROOT.workload("spiffe://one.test/a"), ()) is Verdict.GOOD
    assert DOMAINS.verdict(OTHER.workload("spiffe://one.test/a"), ()) is Verdict.NO_AUTHORITY


def test_over_others_that_the_peer_sent_in_any_order() -> None:
    workload = LOWEST.workload("spiffe://one.test/a")
    assert DOMAINS.verdict(workload, (workload.der, BETWEEN.der, OTHER.der, LOWEST.der)) is Verdict.GOOD
    assert DOMAINS.verdict(workload, (workload.der, LOWEST.der)) is Verdict.NO_AUTHORITY
    assert DOMAINS.verdict(workload, ()) is Verdict.NO_AUTHORITY


def test_one_between_may_be_an_authority_itself() -> None:
    domains = TrustDomains([("one.test", BETWEEN.pem)])
    assert domains.verdict(LOWEST.workload("spiffe://one.test/a"), (LOWEST.der,)) is Verdict.GOOD
    assert domains.verdict(ROOT.workload("spiffe://one.test/a"), ()) is Verdict.NO_AUTHORITY


def test_the_first_identity_of_a_known_domain_counts() -> None:
    assert DOMAINS.verdict(ROOT.workload("https://one.test/", "spiffe://no.test/a", "spiffe://one.test/a"), ()) is Verdict.GOOD
    assert DOMAINS.verdict(ROOT.workload("spiffe://no.test/a"), ()) is Verdict.NO_DOMAIN
    assert DOMAINS.verdict(ROOT.workload("https://one.test/"), ()) is Verdict.NO_DOMAIN


def test_what_may_sign_is_no_identity() -> None:
    assert DOMAINS.verdict(ROOT.workload("spiffe://one.test/a", usage=CERTIFIES), ()) is Verdict.NO_IDENTITY
    assert DOMAINS.verdict(ROOT.workload("spiffe://one.test/a", usage=None), ()) is Verdict.NO_IDENTITY
    assert DOMAINS.verdict(Certificate(BETWEEN.der), ()) is Verdict.NO_IDENTITY
