"""Whether a peer's certificate is one of those that were asked for: pinned hashes and subject alternative names.

Here: what OpenSSL was not told, checked after the handshake.  Not here: the chain and the list of revoked ones (contexts).
Envoy: extensions/transport_sockets/tls/cert_validator/default_validator.cc.
"""

from __future__ import annotations

import hashlib

from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.trust_domains import TrustDomains
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.observe.tls_facts import TlsFacts
from dataplane.snapshot.secret import SanMatcher, SanType, ValidationContext


def looks_at_certificates(validation: ValidationContext) -> bool:
    """Whether there is anything to verify that OpenSSL was not told."""
    wanted = validation.subject_alt_names or validation.certificate_hashes or validation.spki_hashes
    return bool(wanted or validation.trust_domains)


class Verifier:
    """`verify`, made ready for many certificates."""

    def __init__(self, validation: ValidationContext) -> None:
        self._validation = validation
        self._domains = TrustDomains(validation.trust_domains) if validation.trust_domains else None
        uris = tuple(matcher for matcher in validation.subject_alt_names if matcher.san_type is SanType.URI)
        self._identities = ValidationContext(subject_alt_names=uris)

    def verdict(self, certificate: Certificate, facts: TlsFacts) -> Verdict:
        """facts: of its connection.  Of a workload with a SPIFFE ID only URIs are looked at, and no pins, as in Envoy."""
        if self._domains is None:
            return verify(certificate, self._validation)
        verdict = self._domains.verdict(certificate, facts.peer_chain)
        if verdict is Verdict.GOOD and verify(certificate, self._identities) is Verdict.SAN:
            return Verdict.IDENTITY
        return verdict


def verify(certificate: Certificate, validation: ValidationContext) -> Verdict:
    """One of the names, and one of the pins, where there are any."""
    names = validation.subject_alt_names
    if names and not any(matches_name(certificate, matcher) for matcher in names):
        return Verdict.SAN
    pinned = validation.certificate_hashes or validation.spki_hashes
    if (
        pinned
        and hashlib.sha256(certificate.der).digest() not in validation.certificate_hashes
        and certificate.spki_hash not in validation.spki_hashes
    ):
        return Verdict.HASH
    return Verdict.GOOD


def matches_name(certificate: Certificate, matcher: SanMatcher) -> bool:
    if matcher.san_type is SanType.DNS and matcher.exact is not None:
        return any(dns_name_matches(matcher.exact, name) for name in certificate.dns_names)
    return any(matcher.matches(name.encode()) for name in _names(certificate, matcher))


def is_named(certificate: Certificate, wanted: str) -> bool:
    """Whether a name of any type is *wanted*; a DNS name may begin with `*.`."""
    if any(dns_name_matches(wanted, name) for name in certificate.dns_names):
        return True
    return wanted in certificate.ip_addresses or wanted in certificate.uris or wanted in certificate.emails


def _names(certificate: Certificate, matcher: SanMatcher) -> tuple[str, ...]:
    match matcher.san_type:
        case SanType.DNS:
            return certificate.dns_names
        case SanType.URI:
            return certificate.uris
        case SanType.EMAIL:
            return certificate.emails
        case SanType.IP_ADDRESS:
            return certificate.ip_addresses
        case SanType.OTHER_NAME:
            return certificate.other_names(matcher.oid)


def dns_name_matches(wanted: str, name: str) -> bool:
    """Whether a certificate for *name*, which may begin with `*.`, is one for *wanted*.  The star stands for one label."""
    wanted, name = wanted.lower(), name.lower()
    if wanted == name:
        return True
    if not name.startswith("*."):
        return False
    label, _, rest = wanted.partition(".")
    return bool(label) and rest == name[2:] and not label.startswith("xn--")
