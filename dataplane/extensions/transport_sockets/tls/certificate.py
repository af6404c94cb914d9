"""A certificate, read when somebody asks: its names as a verifier wants them and its texts as logs print them.

Here: reading DER.  Not here: whether a certificate is good (verify).  Implements observe.tls_facts.CertificateFacts.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

_MULTI_VALUE: Final = "+"


class Certificate:
    """One certificate.  Nothing is parsed before it is asked for; most connections never ask."""

    def __init__(self, der: bytes) -> None:
        self.der = der

    @classmethod
    def from_pem(cls, pem: bytes) -> Certificate:
        """The first of *pem*."""
        return cls.all_from_pem(pem)[0]

    @classmethod
    def all_from_pem(cls, pem: bytes) -> list[Certificate]:
        """None where *pem* is empty."""
        parsed = x509.load_pem_x509_certificates(pem) if pem else []
        return [cls(each.public_bytes(serialization.Encoding.DER)) for each in parsed]

    @cached_property
    def _parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def pem(self) -> bytes:
        return self._parsed.public_bytes(serialization.Encoding.PEM)

    @cached_property
    def subject(self) -> str:
        return _rfc2253(self._parsed.subject)

    @cached_property
    def issuer(self) -> str:
        return _rfc2253(self._parsed.issuer)

    @property
    def serial(self) -> str:
        return f"{self._parsed.serial_number:x}"

    @cached_property
    def fingerprint_256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def fingerprint_1(self) -> str:
        return hashlib.sha1(self.der, usedforsecurity=False).hexdigest()

    @property
    def not_before(self) -> datetime:
        return self._parsed.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self._parsed.not_valid_after_utc

    @cached_property
    def spki_hash(self) -> bytes:
        key = self._parsed.public_key()
        info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(info).digest()

    @cached_property
    def _alternatives(self) -> tuple[x509.GeneralName, ...]:
        try:
            return tuple(self._parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except (x509.ExtensionNotFound, ValueError):
            return ()

    @cached_property
    def dns_names(self) -> tuple[str, ...]:
        return tuple(name.value for name in self._alternatives if isinstance(name, x509.DNSName))

    @cached_property
    def uris(self) -> tuple[str, ...]:
        return tuple(name.value for name in self._alternatives if isinstance(name, x509.UniformResourceIdentifier))

    @cached_property
    def emails(self) -> tuple[str, ...]:
        return tuple(name.value for name in self._alternatives if isinstance(name, x509.RFC822Name))

    @cached_property
    def ip_addresses(self) -> tuple[str, ...]:
        found = [name.value for name in self._alternatives if isinstance(name, x509.IPAddress)]
        return tuple(str(address) for address in found if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address))

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of all types, in the order of the certificate."""
        texts = {x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name, x509.IPAddress}
        return tuple(str(name.value) for name in self._alternatives if type(name) in texts)

    def other_names(self, oid: str) -> tuple[str, ...]:
        """Values of the other names of type *oid*, where they are strings."""
        found = [name for name in self._alternatives if isinstance(name, x509.OtherName) and name.type_id.dotted_string == oid]
        return tuple(text for name in found if (text := _der_text(name.value)) is not None)


def _rfc2253(name: x509.Name) -> str:
    """The last part first, as OpenSSL's XN_FLAG_RFC2253 and so Envoy."""
    return name.rfc4514_string()


def _der_text(der: bytes) -> str | None:
    """A DER string (UTF8String, IA5String, PrintableString …) of the short or the long form of length."""
    if len(der) < 2:
        return None
    size, start = der[1], 2
    if size & 0x80:
        width = size & 0x7F
        size, start = int.from_bytes(der[2 : 2 + width]), 2 + width
    return der[start : start + size].decode("utf-8", "replace")
