"""Whether a certificate is one of a trust domain that we know: its SPIFFE ID names the domain, an authority of just that domain vouches for it.

The library knows one set of authorities, so it is given those of all domains and checks times and constraints; that the authority is one
of the right domain is looked at here, by signatures.
Spec: SPIFFE X509-SVID.  Envoy: extensions/transport_sockets/tls/cert_validator/spiffe/spiffe_validator.cc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.verdict import Verdict

_SCHEME: Final = "spiffe://"


class TrustDomains:
    """bundles: name and PEM of the authorities of each."""

    def __init__(self, bundles: Iterable[tuple[str, bytes]]) -> None:
        self._authorities: Final = {name: tuple(x509.load_pem_x509_certificates(pem)) for name, pem in bundles}

    def verdict(self, certificate: Certificate, chain: Sequence[bytes]) -> Verdict:
        """chain: what the peer sent, DER; its order does not matter."""
        leaf = x509.load_der_x509_certificate(certificate.der)
        if may_sign(leaf):
            return Verdict.NO_IDENTITY
        authorities = self._of(certificate)
        if not authorities:
            return Verdict.NO_DOMAIN
        between = [x509.load_der_x509_certificate(der) for der in chain]
        return Verdict.GOOD if _leads_to(leaf, between, authorities) else Verdict.NO_AUTHORITY

    def _of(self, certificate: Certificate) -> tuple[x509.Certificate, ...]:
        """Of the first SPIFFE ID whose trust domain is known."""
        for uri in certificate.uris:
            if uri.startswith(_SCHEME):
                found = self._authorities.get(uri.removeprefix(_SCHEME).partition("/")[0])
                if found is not None:
                    return found
        return ()


def may_sign(leaf: x509.Certificate) -> bool:
    """An authority's certificate is nobody's identity.  Without a key usage anything is allowed, that as well."""
    usages = [extension.value for extension in leaf.extensions if isinstance(extension.value, x509.KeyUsage)]
    if not usages or any(usage.key_cert_sign or usage.crl_sign for usage in usages):
        return True
    return any(isinstance(extension.value, x509.BasicConstraints) and extension.value.ca for extension in leaf.extensions)


def _leads_to(leaf: x509.Certificate, between: list[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    """Whether a chain of signatures goes from *leaf* over any of *between* to one of *authorities*."""
    current, left = leaf, list(between)
    known = {authority.public_bytes(Encoding.DER) for authority in authorities}
    while current.public_bytes(Encoding.DER) not in known:
        if any(_is_issuer(authority, current) for authority in authorities):
            return True
        following = next((each for each in left if _is_issuer(each, current)), None)
        if following is None:
            return False
        left.remove(following)
        current = following
    return True


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
